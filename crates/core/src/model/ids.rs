//! Identities: UUIDs that can't be mistaken for one another.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        /// As a number: sixteen bytes with their length cost twice as much.
        impl std::hash::Hash for $name {
            #[inline]
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                state.write_u128(self.0.as_u128());
            }
        }

        impl $name {
            /// A new random identity (UUID version 4).
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id!(
    /// A Neutron network.
    NetworkId
);
id!(
    /// An L2 gateway.
    GatewayId
);
id!(
    /// A device (switch) of one gateway.
    DeviceId
);
id!(
    /// A connection of a gateway with a network.
    ConnectionId
);
id!(
    /// A Neutron port.
    PortId
);
id!(
    /// A subnet of a network.
    SubnetId
);
id!(
    /// A tunnel endpoint (VTEP) of a compute node.
    EndpointId
);
