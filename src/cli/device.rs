//! The specification's syntax of devices and interfaces:
//!
//! ```text
//!   name=tor-switch-1,interface_names=Ethernet40:50;Ethernet41:51,52
//! ```
//!
//! `\:` is a colon in an interface's name (Juniper's `et-0/0/0:1`), likewise `\;`, `\,` and `\\`. A JSON value does as well:
//! `{"device_name": "tor-switch-1", "interfaces": [{"name": "et-0/0/0:1", "segmentation-id": [50]}]}`.

use serde_json::{Value, json};

/// A device of a new gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) interfaces: Vec<Interface>,
}

/// An interface and its VLANs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) vlans: Vec<u16>,
}

const FORM: &str = "write name=SWITCH,interface_names=PORT[:VLAN[,VLAN]][;PORT…]";

// ===== impl Device =====

impl Device {
    /// A device with its interfaces.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let device = if text.trim_start().starts_with('{') { json_device(text)? } else { plain_device(text)? };
        if device.interfaces.is_empty() {
            return Err(format!("device '{}' has no interfaces: {FORM}", device.name));
        }
        Ok(device)
    }

    /// A device of a gateway that exists: its name alone.
    pub(super) fn parse_name(text: &str) -> Result<String, String> {
        if text.trim_start().starts_with('{') {
            return json_device(text).map(|device| device.name);
        }
        let device = plain_device(text)?;
        if device.interfaces.is_empty() {
            return Ok(device.name);
        }
        Err("an update names the device alone (--device name=SWITCH): use --add-interface and --remove-interface"
            .to_owned())
    }

    /// As `/v2` has it.
    pub(super) fn json(&self) -> Value {
        json!({"device_name": self.name, "interfaces": self.interfaces.iter().map(Interface::json).collect::<Vec<_>>()})
    }
}

// ===== impl Interface =====

impl Interface {
    /// `PORT[:VLAN[,VLAN]]`
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(ours) = from_networking_l2gw(text) {
            return Err(format!("'{text}' is networking-l2gw's form: write {ours}"));
        }
        let (name, vlans) = match split_at(text, ':') {
            Some((name, vlans)) => (name, Some(vlans)),
            None => (text, None),
        };
        if let Some((first, second)) = split_at(name, ',') {
            return Err(format!(
                "'{text}': ports are separated by ';', all of it in quotes: '{};{}'; a comma that belongs to a port's name is \
                 written \\,",
                first.trim(),
                second.trim()
            ));
        }
        let name = unescaped(name.trim());
        if name.is_empty() {
            return Err(format!("'{text}' names no interface: write PORT or PORT:VLAN"));
        }
        let all = vlans.map(|vlans| vlans.split(',')).into_iter().flatten().collect::<Vec<_>>();
        if let Some(next) = all.iter().skip(1).find(|number| number.contains(':')) {
            let port = next.split(':').next().unwrap_or_default().trim();
            return Err(format!(
                "'{text}': ports are separated by ';', all of it in quotes: put one before '{port}', where a comma is now"
            ));
        }
        let vlans = all.iter().map(|number| vlan(number, &name)).collect::<Result<Vec<u16>, _>>()?;
        Ok(Self { name, vlans })
    }

    pub(super) fn json(&self) -> Value {
        json!({"name": self.name, "segmentation-id": self.vlans})
    }
}

/// `E41|100#200`, which networking-l2gw's client takes, as ours takes it.
fn from_networking_l2gw(text: &str) -> Option<String> {
    let (name, ids) = split_at(text, '|')?;
    let ids: Vec<&str> = ids.split('#').map(str::trim).collect();
    let are_numbers = ids.iter().all(|id| !id.is_empty() && id.chars().all(|c| c.is_ascii_digit()));
    are_numbers.then(|| format!("{}:{}", name.trim(), ids.join(",")))
}

fn vlan(text: &str, interface: &str) -> Result<u16, String> {
    let number = text.trim();
    let found = number.parse().ok().filter(|vlan| *vlan <= 4094);
    found.ok_or_else(|| {
        format!(
            "'{number}' is no VLAN of interface '{interface}': use 0 to 4094; a colon that belongs to the interface's name \
             is written \\:"
        )
    })
}

fn plain_device(text: &str) -> Result<Device, String> {
    let rest =
        text.trim().strip_prefix("name=").ok_or_else(|| format!("'{text}' does not begin with name=: {FORM}"))?;
    let (name, interfaces) = match rest.split_once(",interface_names=") {
        Some((name, interfaces)) => (name, interfaces),
        None => (rest, ""),
    };
    if let Some((_, other)) = split_at(name, ',')
        && !is_wrapped(name)
    {
        return Err(format!("'{other}' is not understood: {FORM}"));
    }
    // The specification's own example writes the equals sign twice.
    let interfaces = interfaces.strip_prefix('=').unwrap_or(interfaces);
    let parts = split_all(interfaces, ';');
    let interfaces = parts.iter().filter(|part| !part.trim().is_empty()).map(|part| Interface::parse(part));
    Ok(Device { name: device_name(name)?, interfaces: interfaces.collect::<Result<_, _>>()? })
}

/// A name; the specification's own example wraps it: `[{"name": "tor-switch-1"}]`, with printer's quotes. Other brackets belong
/// to the name.
fn device_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if !is_wrapped(text) {
        let name = unescaped(text);
        return if name.is_empty() { Err(format!("the device has no name: {FORM}")) } else { Ok(name) };
    }
    let plain = text.replace(['\u{201c}', '\u{201d}'], "\"");
    let value: Value = serde_json::from_str(&plain).map_err(|error| format!("'{text}' is not JSON: {error}"))?;
    let object = value.get(0).unwrap_or(&value);
    let name = object["name"].as_str().or_else(|| object["device_name"].as_str());
    name.map(str::to_owned).ok_or_else(|| format!("'{text}' holds no \"name\""))
}

/// Whether the text begins as a JSON object with members, or as a list of such.
fn is_wrapped(text: &str) -> bool {
    let object = text.trim_start().strip_prefix('[').unwrap_or(text).trim_start();
    object.strip_prefix('{').is_some_and(|inner| inner.trim_start().starts_with(['"', '\u{201c}', '\u{201d}']))
}

fn json_device(text: &str) -> Result<Device, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("the device is not JSON: {error}"))?;
    let name = value["device_name"].as_str().or_else(|| value["name"].as_str());
    let name = name.ok_or("the device has no \"device_name\"")?.to_owned();
    let mut interfaces = Vec::new();
    for interface in value["interfaces"].as_array().into_iter().flatten() {
        let name = interface.as_str().or_else(|| interface["name"].as_str());
        let name = name.ok_or_else(|| format!("an interface of device '{name:?}' has no \"name\""))?.to_owned();
        let ids = interface.get("segmentation-id").or_else(|| interface.get("segmentation_id"));
        let ids = ids.and_then(Value::as_array).cloned().unwrap_or_default();
        let number = |id: &Value| vlan(id.as_str().unwrap_or(&id.to_string()), &name);
        let vlans = ids.iter().map(number).collect::<Result<_, _>>()?;
        interfaces.push(Interface { name, vlans });
    }
    Ok(Device { name, interfaces })
}

/// At the first such character that no backslash stands before.
fn split_at(text: &str, separator: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == separator => return Some((&text[..at], &text[at + c.len_utf8()..])),
            _ => {}
        }
    }
    None
}

fn split_all(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((part, more)) = split_at(rest, separator) {
        parts.push(part);
        rest = more;
    }
    parts.push(rest);
    parts
}

/// A name with a backslash before each character that separates: what [`Interface::parse`] reads as this name.
pub(super) fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '\\' | ':' | ';' | ',' | '|') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

fn unescaped(text: &str) -> String {
    let (mut plain, mut escaped) = (String::with_capacity(text.len()), false);
    for c in text.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            plain.push(c);
            escaped = false;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn interface(name: &str, vlans: &[u16]) -> Interface {
        Interface { name: name.to_owned(), vlans: vlans.to_vec() }
    }

    #[test]
    fn the_specifications_syntax() {
        let device =
            Device::parse("name=tor-switch-1,interface_names=Ethernet40:50;Ethernet41:51,52;Ethernet42").unwrap();
        assert_eq!(device.name, "tor-switch-1");
        let expected =
            [interface("Ethernet40", &[50]), interface("Ethernet41", &[51, 52]), interface("Ethernet42", &[])];
        assert_eq!(device.interfaces, expected);
        let printed =
            Device::parse("name=[{\u{201c}name\u{201d}: \u{201c}tor-switch-1\u{201d}}],interface_names==Ethernet40")
                .unwrap();
        assert_eq!((printed.name.as_str(), printed.interfaces), ("tor-switch-1", vec![interface("Ethernet40", &[])]));
        assert_eq!(Device::parse_name("name=tor").unwrap(), "tor");
    }

    #[test]
    fn colons_belong_to_names_where_a_backslash_says_so() {
        let device = Device::parse(r"name=qfx,interface_names=et-0/0/0\:1:50;a\;b\\c:7").unwrap();
        assert_eq!(device.interfaces, [interface("et-0/0/0:1", &[50]), interface(r"a;b\c", &[7])]);
    }

    #[test]
    fn brackets_belong_to_names() {
        for name in ["[x]", "{x}", "[1]", "[]", "[x", "x|y"] {
            let device = Device::parse(&format!("name={name},interface_names={name}:5;e")).unwrap();
            assert_eq!((device.name.as_str(), &device.interfaces[0]), (name, &interface(name, &[5])));
        }
        assert_eq!(Interface::parse(r"a\,b:5").unwrap(), interface("a,b", &[5]));
    }

    proptest! {
        #[test]
        fn a_shown_interface_is_read_as_the_same(name in r"[a-z0-9:;,|\\\[\]/ .#-]{1,12}", vlans in prop::collection::vec(0..=4094_u16, 0..4)) {
            prop_assume!(name.trim() == name);
            let numbers: Vec<String> = vlans.iter().map(ToString::to_string).collect();
            let shown = if vlans.is_empty() { escaped(&name) } else { format!("{}:{}", escaped(&name), numbers.join(",")) };
            prop_assert_eq!(Interface::parse(&shown), Ok(interface(&name, &vlans)));
            let device = Device::parse(&format!("name=tor,interface_names={shown};e1")).unwrap();
            prop_assert_eq!(&device.interfaces, &[interface(&name, &vlans), interface("e1", &[])]);
        }
    }

    #[test]
    fn json_does_as_well() {
        let text = r#"{"device_name": "qfx", "interfaces": [{"name": "et-0/0/0:1", "segmentation-id": [50, "51"]}, {"name": "e"}]}"#;
        let device = Device::parse(text).unwrap();
        assert_eq!(device.interfaces, [interface("et-0/0/0:1", &[50, 51]), interface("e", &[])]);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("tor,interface_names=e", "does not begin with name="),
            ("name=tor", "has no interfaces"),
            ("name=,interface_names=e", "has no name"),
            ("name=tor,interfaces=e", "'interfaces=e' is not understood"),
            ("name=tor,interface_names=e:5000", "'5000' is no VLAN of interface 'e'"),
            ("name=tor,interface_names=et-0/0/0:1:50", "written \\:"),
            ("name=tor,interface_names=E41|100#200", "is networking-l2gw's form: write E41:100,200"),
            ("name=tor,interface_names=E41|100;E42", "is networking-l2gw's form: write E41:100"),
            ("name=tor,interface_names=E41,E42", "separated by ';', all of it in quotes: 'E41;E42'"),
            ("name=tor,interface_names=E41:100,E42:200", "put one before 'E42', where a comma is now"),
            ("name=tor,interface_names=E41:vlan60", "'vlan60' is no VLAN of interface 'E41': use 0 to 4094"),
            ("name=[{\"name\": 5}],interface_names=e", "holds no \"name\""),
            ("name=[{\"name\": \"x],interface_names=e", "is not JSON"),
            ("name=tor,interface_names=:50", "names no interface"),
            ("{\"interfaces\": []}", "has no \"device_name\""),
            ("{", "not JSON"),
        ] {
            let error = Device::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(Device::parse_name("name=t,interface_names=e").unwrap_err().contains("--add-interface"));
    }
}
