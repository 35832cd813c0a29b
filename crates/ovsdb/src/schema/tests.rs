use super::*;

#[test]
fn the_shipped_schema_is_read() {
    // Debian's openvswitch-vtep; the suite against the real server needs the package, too.
    let text = std::fs::read("/usr/share/openvswitch/vtep.ovsschema").expect("Debian's package openvswitch-vtep");
    let schema = Schema::read(&mut Cursor::new(&text)).unwrap();
    assert_eq!(schema.name, "hardware_vtep");
    assert!(schema.version.starts_with("1."));
    assert!(schema.has("Logical_Switch", "tunnel_key"));
    assert!(!schema.has("Logical_Switch", "nonsense"));
    assert!(!schema.has("Nonsense", "name"));
}

#[test]
fn a_schema_without_a_version_or_columns_is_still_one() {
    let text = br#"{"name":"x","tables":{"T":{"isRoot":true},"U":{"columns":{"a":{"type":"string"}}}},"cksum":"1 2"}"#;
    let schema = Schema::read(&mut Cursor::new(text)).unwrap();
    assert_eq!((schema.name.as_str(), schema.version.as_str()), ("x", ""));
    assert_eq!(schema.tables.len(), 2);
    assert!(schema.has("U", "a"));
}
