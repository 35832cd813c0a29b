//! The specification's JSON shapes: what `/v2` and the admin socket both speak, and the reader that says which member
//! of a body is wrong. Neutron's shapes are `api`'s own, but for the addresses of ports.

mod connection;
mod decode;
mod gateway;
mod port;
mod refusal;
mod schema;
mod source;

pub use connection::{ConnectionBody, ConnectionView};
pub use decode::{BadBody, JsonObject, decode};
pub use gateway::{GatewayBody, GatewayIntent, GatewayView, VlanNumber};
pub use port::{FixedIpView, GivenAddressPair, GivenFixedIp};
pub use refusal::{Class, refusal};
pub use schema::{Schemas, schema_of, shape_of};
pub use source::{NativeSource, SourceView};

#[cfg(test)]
mod tests;
