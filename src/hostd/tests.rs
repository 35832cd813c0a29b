mod plan;
mod ports;
mod told;

use crate::model::{MacAddr, Vni};

fn mac(n: u8) -> MacAddr {
    MacAddr::new([2, 0, 0, 0, 0, n])
}

fn vni(n: i64) -> Vni {
    Vni::try_from(n).unwrap()
}
