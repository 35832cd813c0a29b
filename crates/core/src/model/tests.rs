use super::*;

#[test]
fn mac_is_read_in_either_case_and_written_in_lower() {
    let mac: MacAddr = "02:00:0A:00:00:0b".parse().unwrap();
    assert_eq!(mac.to_string(), "02:00:0a:00:00:0b");
    assert_eq!(MacAddr::from_ascii(b"02:00:0A:00:00:0b"), Some(mac));
    assert_eq!("02-00-0a-00-00-0b".parse(), Ok(mac));
    assert_eq!(serde_json::to_string(&mac).unwrap(), "\"02:00:0a:00:00:0b\"");
    assert_eq!(serde_json::from_str::<MacAddr>("\"02:00:0a:00:00:0b\"").unwrap(), mac);
}

#[test]
fn garbage_is_no_mac() {
    for text in ["", "02000a00000b", "02:00:0a:00:00", "02:00:0a:00:00:0g", "unknown-dst", "02:00:0a:00:00:0b:"] {
        assert!(text.parse::<MacAddr>().is_err(), "{text}");
        assert_eq!(MacAddr::from_ascii(text.as_bytes()), None, "{text}");
    }
    assert_eq!(MacAddr::from_ascii(b"02:00:0a:00-00:0b"), None);
}

#[test]
fn vlans_and_vnis_keep_their_bounds() {
    assert_eq!(VlanId::try_from(0).unwrap(), VlanId::UNTAGGED);
    assert_eq!(VlanId::try_from(4094).unwrap().get(), 4094);
    for bad in [-1, 4095, 65_536, i64::MAX] {
        assert_eq!(VlanId::try_from(bad), Err(InvalidVlan(bad)));
    }
    assert_eq!(Vni::try_from(16_777_215).unwrap().get(), 16_777_215);
    for bad in [-1, 0, 16_777_216, i64::MIN] {
        assert_eq!(Vni::try_from(bad), Err(InvalidVni(bad)));
    }
}

#[test]
fn the_default_vlan_applies_where_an_interface_names_none() {
    let vlan = |n| VlanId::try_from(n).unwrap();
    let interface =
        |name: &str, vlans: &[i64]| Interface { name: name.into(), vlans: vlans.iter().map(|n| vlan(*n)).collect() };
    let gateway = Gateway {
        id: GatewayId::random(),
        name: "gw".into(),
        tenant_id: String::new(),
        devices: vec![Device {
            id: DeviceId::random(),
            name: "tor".into(),
            interfaces: vec![interface("e1", &[]), interface("e2", &[7, 8])],
        }],
    };
    let mut connection = Connection {
        id: ConnectionId::random(),
        tenant_id: String::new(),
        gateway_id: gateway.id,
        network_id: NetworkId::random(),
        port_id: String::new(),
        default_vlan: Some(vlan(50)),
    };
    let found = |c: &Connection| bindings(&gateway, c).into_iter().map(|b| (b.port, b.vlan.get())).collect::<Vec<_>>();
    assert_eq!(found(&connection), [("e1".into(), 50), ("e2".into(), 7), ("e2".into(), 8)]);
    connection.default_vlan = None;
    assert_eq!(found(&connection), [("e2".into(), 7), ("e2".into(), 8)]);
}

proptest::proptest! {
    #[test]
    fn macs_are_read_and_sorted_as_their_octets(a in proptest::array::uniform6(0u8..), b in proptest::array::uniform6(0u8..)) {
        let mac = MacAddr::new(a);
        let text = mac.to_ascii();
        proptest::prop_assert_eq!(MacAddr::from_ascii(&text), Some(mac));
        proptest::prop_assert_eq!(MacAddr::from_ascii(&text.to_ascii_uppercase()), Some(mac));
        proptest::prop_assert_eq!(mac.cmp(&MacAddr::new(b)), a.cmp(&b));
    }

    #[test]
    fn what_is_no_mac_is_none(at in 0..17_usize, byte in 0u8..) {
        let mut text = *b"fa:16:3e:aa:bb:cc";
        text[at] = byte;
        let good = if at % 3 == 2 { byte == b':' } else { byte.is_ascii_hexdigit() };
        proptest::prop_assert_eq!(MacAddr::from_ascii(&text).is_some(), good);
    }
}
