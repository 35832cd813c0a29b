use std::path::Path;

use super::*;

fn parse_with(text: &str, environment: &[(&str, &str)]) -> Result<HostdConfig, ConfigErrors> {
    HostdConfig::parse(Path::new("vtep-hostd.ini"), text.as_bytes(), environment.iter().copied())
}

fn errors(text: &str) -> Vec<String> {
    match parse_with(text, &[]) {
        Ok(config) => panic!("accepted: {config:?}"),
        Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
    }
}

#[test]
fn two_keys_are_enough() {
    let config = parse_with("[vtepd]\nurl = http://192.0.2.1:9797/\n[host]\nlocal_ip = 198.51.100.11\n", &[]).unwrap();
    assert_eq!(config.vtepd.url, "http://192.0.2.1:9797");
    assert_eq!(config.host.local_ip, Ipv4Addr::new(198, 51, 100, 11));
    assert!(!config.host.name.is_empty() && !config.host.report_ports && !config.host.arp_proxy);
    assert_eq!((config.host.port, config.host.mtu), (4789, None));
    assert!(config.vtepd.token().unwrap().is_none());
}

#[test]
fn the_environment_overrides_with_its_own_prefix() {
    let text = "[vtepd]\nurl = http://192.0.2.1:9797\n[host]\nlocal_ip = 198.51.100.11\n";
    let environment = [("VTEP_HOSTD_HOST__LOCAL_IP", "198.51.100.12"), ("VTEPD_HOST__LOCAL_IP", "198.51.100.13")];
    let config = parse_with(text, &environment).unwrap();
    assert_eq!(config.host.local_ip, Ipv4Addr::new(198, 51, 100, 12));
    let uuid = "591ffe08-f8f5-44c1-85c1-1026878f69bd";
    let networks = [("VTEP_HOSTD_HOST__NETWORKS", "5000, 591ffe08-f8f5-44c1-85c1-1026878f69bd")];
    let config = parse_with(text, &networks).unwrap();
    assert_eq!(config.host.networks, [NetworkName::Vni(5000), NetworkName::Id(uuid.parse().unwrap())]);
}

#[test]
fn all_errors_are_named_at_once_with_line_and_mend() {
    let text = "[vtepd]\nurl = ftp://x\ntoken_file = /nonexistent/token\nsilence = 3s\n[hosts]\n[host]\nlocal_ip = 127.0.0.1\n\
                device = a/b\nmtu = 1\nnetworks = 5000, network1\nreport_port = yes\nport = 0\n[switch:a]\n";
    let expected = [
        "vtep-hostd.ini:2: url: 'ftp:' is not spoken here: write http://ADDRESS:PORT or https://NAME:PORT",
        "vtep-hostd.ini:4: silence: must be 20s at least: the daemon says something every 15s",
        "vtep-hostd.ini:5: the section [hosts] is not known; did you mean [host]?",
        "vtep-hostd.ini:7: local_ip: '127.0.0.1' is a loopback address: write the address of one host, as 198.51.100.11",
        "vtep-hostd.ini:8: device: 'a/b' is not the name of an interface: 1 to 15 characters, as in eth0",
        "vtep-hostd.ini:9: mtu: '1' is not a whole number from 576 to 65535",
        "vtep-hostd.ini:10: networks: 'network1' is neither a VNI (1 to 16777215) nor a network's UUID",
        "vtep-hostd.ini:11: the key 'report_port' is not known in [host]; did you mean 'report_ports'?",
        "vtep-hostd.ini:12: port: '0' is not a whole number from 1 to 65535",
        "vtep-hostd.ini:13: the section [switch:a] is not known",
    ];
    assert_eq!(errors(text), expected);
    assert_eq!(
        errors(""),
        [
            "vtep-hostd.ini: [vtepd] needs 'url': where vtepd's API is, for example http://192.0.2.1:9797",
            "vtep-hostd.ini: [host] needs 'local_ip': this host's VTEP, as in its tunnel endpoint, for example 198.51.100.11",
        ]
    );
    let token = errors("[vtepd]\nurl = http://u:p@x\n[host]\nlocal_ip = 198.51.100.11\n");
    assert!(token[0].contains("neither user, password nor parameters") && !token[0].contains("u:p"), "{token:?}");
    let missing =
        "[vtepd]\nurl = http://x\ntoken_file = /nonexistent/token\nca_cert = /ca\n[host]\nlocal_ip = 198.51.100.11\n";
    let missing = errors(missing);
    assert!(missing[0].starts_with("vtep-hostd.ini:3: token_file: /nonexistent/token: cannot be read"), "{missing:?}");
    assert!(missing[1].starts_with("vtep-hostd.ini:4: ca_cert: is used by https:// only"), "{missing:?}");
}
