//! Of the configuration, what the desired state depends on.

mod relay;

pub use relay::{ActiveActive, GatewayConfig, RelayConfig};
