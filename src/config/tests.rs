use std::{io::Write, net::SocketAddr, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;

const PRIVATE: u32 = 0o100_640;

fn parse_with(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    Config::parse(Path::new("plumgrid.ini"), text.as_bytes(), PRIVATE, environment.iter().copied())
}

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    parse_with(text, &[])
}

/// The errors as printed.
fn errors_with(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    match parse_with(text, environment) {
        Ok(config) => panic!("accepted: {config:?}"),
        Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
    }
}

fn errors(text: &str) -> Vec<String> {
    errors_with(text, &[])
}

#[test]
fn an_empty_file_holds_the_defaults() {
    let config = parse("").unwrap();
    assert_eq!(config.database, Path::new("/var/lib/vtepd/vtepd.db"));
    assert_eq!(config.api.listen, SocketAddr::from(([127, 0, 0, 1], 9797)));
    assert_eq!(config.api.auth, Auth::Token);
    assert_eq!(config.api.token_file, Path::new("/var/lib/vtepd/token"));
    assert_eq!(config.admin.socket, Path::new("/run/vtepd/admin.sock"));
    assert_eq!(config.deployment, "vtepd");
    assert_eq!(config.vni_ranges, [1000..=65535]);
    assert_eq!(config.log.directives, "info");
    assert!(config.switches.is_empty() && config.previous_prefixes.is_empty() && config.notices.is_empty());
}

#[test]
fn switches_take_their_defaults_from_l2gateway() {
    let text = "[L2Gateway]\nsw_username = admin\nsw_password = p#s;s\\w0\"rd = $x\nport = 6632\nlock: required\n\
                guard_percent = 5\nguard_min_rows=3\ninactivity_probe = 500ms\nvendor = arista\n\
                [Switch:ToR-1.pod]\nmanagement_ip = [fe80::1%eth0]\n\
                [switch:tor-2]\nmanagement_ip = tor2.example.net\nport = 6640\npassword = 'x'\nlock = Off\nphysical_switch = leaf 2\n\
                [switch:three]\ntransport = unix\novsdb_socket = /run/db.sock\n";
    let switches = parse(text).unwrap().switches;
    let first = &switches["ToR-1.pod"];
    assert_eq!(first.transport, Transport::Tcp("fe80::1%eth0".to_owned(), 6632));
    assert_eq!(first.physical_switch, "ToR-1.pod");
    assert_eq!(first.credentials.as_ref().unwrap().password.as_ref().unwrap().expose_secret(), "p#s;s\\w0\"rd = $x");
    assert_eq!((first.lock, first.guard_percent, first.guard_min_rows), (LockPolicy::Required, 5, 3));
    assert_eq!(first.inactivity_probe, Duration::from_millis(500));
    let second = &switches["tor-2"];
    assert_eq!(second.transport, Transport::Tcp("tor2.example.net".to_owned(), 6640));
    assert_eq!((second.physical_switch.as_str(), second.lock), ("leaf 2", LockPolicy::Off));
    let credentials = second.credentials.as_ref().unwrap();
    assert_eq!((credentials.username.as_str(), credentials.password.as_ref().unwrap().expose_secret()), ("admin", "x"));
    assert_eq!(switches["three"].transport, Transport::Unix("/run/db.sock".into()));
}

#[test]
fn all_errors_are_named_at_once_with_line_and_mend() {
    let text = "orphan = 1\n[api]\nlisten = 9797\nlissten = 1\nauth = noone\n[swich:tor]\nx = 1\n[default]\n\
                deployment = 1 2\n[switch:a]\n[switch:b]\nmanagement_ip = 10.0.0.256\nmanagement_ip = 10.0.0.1\n\
                [api]\nauth = none\n[api:x]\n[switch]\nfoo = 1\n[oops\nnothing\n[switch:c]\nip\n= 4\n";
    let expected = [
        "plumgrid.ini:1: the key 'orphan' stands before any section: write [DEFAULT] above it",
        "plumgrid.ini:3: listen: '9797' is not ADDRESS:PORT: write 127.0.0.1:9797, 0.0.0.0:9797 or [::]:9797",
        "plumgrid.ini:4: the key 'lissten' is not known in [api]; did you mean 'listen'?",
        "plumgrid.ini:5: auth: 'noone' is not one of: token, none, keystone",
        "plumgrid.ini:6: the section [swich:tor] is not known; did you mean [switch:tor]?",
        "plumgrid.ini:9: deployment: '1 2' must be 1 to 64 letters, digits and underscores, no digit first (it names a lock)",
        "plumgrid.ini:10: [switch:a] needs 'management_ip': the switch's management address, for example 192.0.2.11",
        "plumgrid.ini:12: management_ip: '10.0.0.256' is neither an IP address nor a host name",
        "plumgrid.ini:13: the key 'management_ip' of [switch:b] is in line 12 already: remove one of them",
        "plumgrid.ini:14: the section [api] is in line 2 already: join them",
        "plumgrid.ini:16: the section [api] takes no name",
        "plumgrid.ini:17: the section [switch] needs a name: [switch:NAME]",
        "plumgrid.ini:19: the section's closing ']' is missing",
        "plumgrid.ini:21: [switch:c] needs 'management_ip': the switch's management address, for example 192.0.2.11",
        "plumgrid.ini:22: expected 'key = value', '[section]' or '# comment'",
        "plumgrid.ini:23: there is no key before '='",
    ];
    assert_eq!(errors(text), expected);
}

#[test]
fn a_key_without_its_prefix_or_with_another_is_recognized() {
    for (text, meant) in [
        ("[switch:a]\nmanagement_ip = 10.0.0.1\nsw_username = x\n", "'username'"),
        ("[switch:a]\nmanagement_ip = 10.0.0.1\nsocket = x\n", "'ovsdb_socket'"),
        ("[database]\nconection = x\n", "'connection'"),
        ("[defualt]\n", "[DEFAULT]"),
    ] {
        let errors = errors(text);
        assert!(errors[0].ends_with(&format!("did you mean {meant}?")), "{errors:?}");
    }
    assert!(!errors("[api]\nxylophone = 1\n")[0].contains("did you mean"));
}

#[test]
fn what_is_not_built_yet_is_refused_by_name_unless_it_is_the_default() {
    for (text, key) in [
        ("[database]\nconnection = postgresql://u:geheim@db/vtepd", "connection"),
        ("[database]\nconnection = mysql+pymysql://u:geheim@db/vtepd", "connection"),
        ("[cluster]\nname = a", "[cluster] name"),
        ("[cluster]\nlease_ttl = 4s", "[cluster] lease_ttl"),
    ] {
        let errors = errors(text);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains(key) && errors[0].contains("not built yet"), "{errors:?}");
        assert!(!errors[0].contains("geheim"), "{errors:?}");
    }
    // The same keys with their defaults change nothing, and their syntax is checked.
    let defaults = "[api]\nadmin_roles = admin\n[cluster]\nheartbeat = 1000ms\nlease_ttl = 3\n[source]\ndriver = native\n\
                    [relay]\nlearned_hold = 0\nidle_flood_hold = 4h\nactive_active = lag\n[gateway:g]\n\
                    failover_unreachable = no\nhandover_hold = 2s\n[l2gateway]\nmode = enforce\nbfd = false\nservice_nodes =\n";
    assert_eq!(parse(defaults).unwrap(), parse("").unwrap());
    assert_eq!(errors("[cluster]\nheartbeat = soon\n").len(), 1);
}

#[test]
fn a_gateway_may_have_its_own_way_of_active_active() {
    let config = parse(
        "[relay]\nactive_active = single-active\nlearned_hold = 1h\nidle_flood_hold = 2s\nmax_learned_macs = 10\n\
         [gateway:a]\nactive_active = independent\n[gateway:B c]\nfailover_unreachable = yes\n[gateway:d]\nhandover_hold = 500ms\n",
    );
    let relay = config.unwrap().relay;
    let of = |name: &str| (relay.gateway(name).active_active, relay.gateway(name).failover_unreachable);
    assert_eq!(of("a"), (ActiveActive::Independent, false));
    assert_eq!(of("B c"), (ActiveActive::SingleActive, true));
    assert_eq!(of("d"), (ActiveActive::SingleActive, false));
    let hold = |name: &str| relay.gateway(name).handover_hold;
    assert_eq!((hold("a"), hold("d")), (Duration::from_secs(2), Duration::from_millis(500)));
    assert_eq!(relay.learned_hold, Duration::from_hours(1));
    assert_eq!((relay.idle_flood_hold, relay.max_learned_macs), (Duration::from_secs(2), 10));
    assert_eq!(errors("[relay]\nmax_learned_macs = 0\n").len(), 1);
    assert_eq!(errors("[gateway:a]\nactive_active = active\n").len(), 1);
}

const KEYSTONE: &str = "[keystone_authtoken]\nauth_url = https://keystone.example/identity/v3/\nusername = vtepd\n\
                        password = geheim\nproject_name = service\n";

#[test]
fn keystone_needs_an_account() {
    let config = parse(&format!("[api]\nauth = keystone\nadmin_roles = admin, operator\n{KEYSTONE}")).unwrap();
    let Auth::Keystone(keystone) = &config.api.auth else { panic!("{:?}", config.api) };
    assert_eq!(keystone.auth_url, "https://keystone.example/identity");
    assert_eq!((keystone.user_domain_name.as_str(), keystone.project_domain_name.as_str()), ("Default", "Default"));
    assert_eq!((keystone.password.expose_secret(), &keystone.cafile), ("geheim", &None));
    assert_eq!(config.api.admin_roles, ["admin", "operator"]);
    assert!(!format!("{config:?}").contains("geheim"));

    let found = errors("[api]\nauth = keystone\n[keystone_authtoken]\nusername = vtepd\n");
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("plumgrid.ini:3: [keystone_authtoken] needs 'auth_url': "), "{found:?}");
    for (url, complaint) in [
        ("keystone:5000", "is not Keystone's address"),
        ("ftp://keystone", "is not Keystone's address"),
        ("http://u:geheim@keystone:5000", "holds an account"),
        ("http://keystone:5000/v2.0", "leave the version out"),
    ] {
        let found = errors(&KEYSTONE.replace("https://keystone.example/identity/v3/", url));
        assert!(found.len() == 1 && found[0].contains(complaint) && !found[0].contains("geheim"), "{found:?}");
    }
    assert_eq!(parse(KEYSTONE).unwrap().notices.len(), 1, "it says that it has no effect");
    assert!(errors("[api]\nadmin_roles =\n")[0].contains("nobody could call"));
}

#[test]
fn neutrons_database_is_written_as_neutron_writes_it() {
    for (written, url, shown) in [
        (
            "mysql+pymysql://neutron:ge%40heim@controller:3307/neutron?charset=utf8",
            "mysql://neutron:ge%40heim@controller:3307/neutron",
            "mysql://controller:3307/neutron",
        ),
        (
            "mysql+pymysql://neutron@/n?unix_socket=/run/my.sock&charset=utf8",
            "mysql://neutron@localhost/n?socket=%2Frun%2Fmy.sock",
            "mysql://localhost/n",
        ),
        (
            "mariadb://u:p@h/n?ssl_ca=/ca.pem",
            "mysql://u:p@h/n?ssl-ca=%2Fca.pem&ssl-mode=VERIFY_IDENTITY",
            "mysql://h/n",
        ),
        (
            "postgresql+psycopg2://u:p@/n?host=/run/pg",
            "postgresql://u:p@localhost/n?host=%2Frun%2Fpg",
            "postgresql://localhost/n",
        ),
    ] {
        let text = format!("[l2gateway]\nguard_percent = 7\n[source]\ndriver = neutron-db\nconnection = {written}\n");
        let source = parse(&text).unwrap().source.unwrap();
        assert_eq!((source.connection.expose_secret(), source.shown.as_str()), (url, shown));
        assert_eq!(
            (source.poll_interval, source.guard_percent, source.guard_min_rows),
            (Duration::from_secs(2), 7, 10)
        );
        assert!(!format!("{source:?}").contains("heim"));
    }
    for (text, complaint) in [
        ("driver = neutron-db\n", "[source] needs 'connection'"),
        ("driver = neutron-db\nconnection = sqlite:////geheim\n", "expected mysql://"),
        ("driver = neutron-db\nconnection = mysql://u:geheim@h\n", "expected mysql://"),
        ("driver = neutron-db\nconnection = mysql://u:geheim@h/\n", "name is missing"),
        ("driver = neutron-db\nconnection = mysql://u:geheim@h/n?x=1\n", "parameter 'x'"),
        ("connection = mysql://u:geheim@h/n\n", "needs driver = neutron-db"),
        ("driver = neutron-db\nconnection = mysql://h/n\npoll_interval = 2h\n", "between 100ms and 1m"),
    ] {
        let found = errors(&format!("[source]\n{text}"));
        assert!(found.len() == 1 && found[0].contains(complaint) && !found[0].contains("geheim"), "{found:?}");
    }
}

#[test]
fn tls_needs_both_files() {
    let tls = parse("[api]\ntls_certificate = /c.pem\ntls_private_key = /k.pem\n").unwrap().api.tls;
    assert_eq!(tls, Some(TlsFiles { certificate: "/c.pem".into(), private_key: "/k.pem".into() }));
    for (text, missing) in [
        ("[api]\ntls_certificate = /c.pem\n", "[api] needs 'tls_private_key'"),
        ("[api]\ntls_private_key = /k.pem\n", "[api] needs 'tls_certificate'"),
    ] {
        let found = errors(text);
        assert!(found.len() == 1 && found[0].contains(missing), "{found:?}");
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let text = "[switch:tor-switch-1]\nmanagement_ip = 10.0.0.1\nusername = a\n[api]\nlisten = 127.0.0.1:1\n";
    let environment = [
        ("VTEPD_SWITCH__TOR_SWITCH_1__PASSWORD", "0123"),
        ("VTEPD_API__LISTEN", "127.0.0.1:2"),
        ("VTEPD_DEFAULT__DEPLOYMENT", "blue"),
        ("VTEPD_HOME", "/none/of/ours"),
        ("PATH", "/bin"),
    ];
    let config = parse_with(text, &environment).unwrap();
    assert_eq!(config.api.listen.port(), 2);
    assert_eq!(config.deployment, "blue");
    let credentials = config.switches["tor-switch-1"].credentials.as_ref().unwrap();
    assert_eq!(credentials.password.as_ref().unwrap().expose_secret(), "0123");
}

#[test]
fn errors_of_the_environment_name_the_variable() {
    let text = "[switch:a.b]\nmanagement_ip = 10.0.0.1\n[switch:a-b]\nmanagement_ip = 10.0.0.2\n";
    let found = errors_with(
        text,
        &[
            ("VTEPD_SWITCH__A_B__PORT", "1"),
            ("VTEPD_SWITCH__C__PORT", "1"),
            ("VTEPD_API__LISTEN", "here"),
            ("VTEPD_API__LISTENS", "here"),
            ("VTEPD_APY__LISTEN", "here"),
        ],
    );
    let expected = [
        "environment variable VTEPD_API__LISTEN: listen: 'here' is not ADDRESS:PORT: write 127.0.0.1:9797, 0.0.0.0:9797 or [::]:9797",
        "environment variable VTEPD_API__LISTENS: the key 'listens' is not known in [api]; did you mean 'listen'?",
        "environment variable VTEPD_APY__LISTEN: the section [apy] is not known; did you mean [api]?",
        "environment variable VTEPD_SWITCH__A_B__PORT: ambiguous: it could mean [switch:a.b] or [switch:a-b]; rename one of them, or set the key in the file",
        "environment variable VTEPD_SWITCH__C__PORT: no section [switch:NAME] of the file is spelled C in the environment",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_file_with_a_password_must_be_private() {
    let check = |text: &str, environment: &[(&str, &str)], mode: u32| {
        Config::parse(Path::new("p.ini"), text.as_bytes(), mode, environment.iter().copied())
    };
    let without = "[switch:a]\nmanagement_ip = 10.0.0.1\nusername = u\n";
    let with = format!("{without}password = geheim\n");
    assert!(check(without, &[], 0o644).is_ok());
    assert!(check(without, &[("VTEPD_SWITCH__A__PASSWORD", "geheim")], 0o644).is_ok());
    assert!(check(&with, &[], 0o640).is_ok());
    for text in [
        with.as_str(),
        "[l2gateway]\nsw_password = geheim\n",
        "[plumgriddirector]\npassword = geheim\n",
        "[database]\nconnection = postgresql://u:geheim@h/d\n",
    ] {
        for mode in [0o644, 0o642] {
            let errors = check(text, &[], mode).unwrap_err().to_string();
            assert!(errors.contains("chmod o-rwx p.ini") && !errors.contains("geheim"), "{errors}");
        }
    }
}

/// A scratch file that goes when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, mode: u32, content: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("vtepd-config-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(mode).open(&path).unwrap();
        file.write_all(content).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_password_may_stand_in_a_file_of_its_own() {
    let text = |path: &Path| {
        format!("[switch:a]\nmanagement_ip = 10.0.0.1\nusername = u\npassword_file = {}\n", path.display())
    };
    let good = Scratch::new("good", 0o600, b"geheim\r\n");
    let config = parse(&text(&good.0)).unwrap();
    assert_eq!(config.switches["a"].credentials.as_ref().unwrap().password.as_ref().unwrap().expose_secret(), "geheim");
    for (name, mode, content, why) in [
        ("open", 0o644, b"geheim\n".as_slice(), "chmod o-rwx"),
        ("empty", 0o600, b"\n", "is empty"),
        ("lines", 0o600, b"geheim\nnoch eins\n", "more than one line"),
        ("binary", 0o600, b"\xff\xfe", "cannot be read"),
        ("large", 0o600, &[b'x'; 5000], "larger than"),
    ] {
        let file = Scratch::new(name, mode, content);
        let errors = errors(&text(&file.0));
        assert!(errors.len() == 1 && errors[0].contains(why) && !errors[0].contains("geheim"), "{errors:?}");
    }
    assert!(errors(&text(Path::new("/nonexistent/password")))[0].starts_with("plumgrid.ini:4: password_file: "));
}

#[test]
fn load_reads_a_file_and_names_it_in_errors() {
    let none: [(&str, &str); 0] = [];
    let file = Scratch::new("load", 0o644, b"[DEFAULT]\ndebug = yes\n");
    assert_eq!(Config::load(&file.0, none).unwrap().log.directives, "info,vtepd=debug");
    let missing = Config::load(Path::new("/nonexistent/plumgrid.ini"), none).unwrap_err().to_string();
    assert!(missing.starts_with("/nonexistent/plumgrid.ini: cannot be read: No such file"), "{missing}");
    assert!(missing.contains("--config"), "{missing}");
}

#[test]
fn windows_editors_and_other_encodings() {
    let config = parse("\u{feff}[api]\r\nlisten = 127.0.0.1:5\r\n\r\n").unwrap();
    assert_eq!(config.api.listen.port(), 5);
    let none: [(&str, &str); 0] = [];
    let latin1 = Config::parse(Path::new("p.ini"), b"[api]\n# caf\xe9\n", PRIVATE, none).unwrap_err();
    assert_eq!(latin1.to_string(), "p.ini:2: byte 0xe9 is not UTF-8: save the file as UTF-8");
    assert!(errors("[api]\nlisten = \0\n")[0].contains("control character"));
}

#[test]
fn continued_lines_belong_to_lists_only() {
    let config = parse("[DEFAULT]\nvni_ranges = 1:10,\n").map(|config| config.vni_ranges);
    assert!(config.is_err(), "an item is missing after the comma");
    let config = parse("[DEFAULT]\nvni_ranges = 1:10\n  # a comment\n  20\nprevious_prefixes = \"\", old\n").unwrap();
    assert_eq!(config.vni_ranges, [1..=10, 20..=20]);
    assert_eq!(config.previous_prefixes, ["", "old"]);
    assert_eq!(parse("[DEFAULT]\nprevious_prefixes = \"\"\n").unwrap().previous_prefixes, [""]);
    assert!(parse("[DEFAULT]\nprevious_prefixes =\n").unwrap().previous_prefixes.is_empty());
    // An indented key is a mistake that must not vanish in the value above it.
    let indented = errors("[switch:a]\nmanagement_ip = 10.0.0.1\n port = 1\n");
    assert!(indented[0].starts_with("plumgrid.ini:2: management_ip: the value goes on"), "{indented:?}");
    assert!(errors("[switch:a]\n  management_ip = 10.0.0.1\n")[1].contains("remove the spaces"));
}

#[test]
fn one_server_behind_several_switches() {
    let pair = |second: &str| {
        format!("[switch:a]\nmanagement_ip = 10.0.0.1\n[switch:b]\nmanagement_ip = 10.0.0.1\n{second}\n")
    };
    assert_eq!(parse(&pair("")).unwrap().switches.len(), 2);
    let lock = errors(&pair("lock = off"));
    assert!(lock[0].starts_with("plumgrid.ini:3: ") && lock[0].contains("'lock' must be the same"), "{lock:?}");
    assert!(errors(&pair("physical_switch = a"))[0].contains("both the Physical_Switch 'a'"));
    let elsewhere = "[switch:a]\nmanagement_ip = 10.0.0.1\n[switch:b]\nmanagement_ip = 10.0.0.2\nphysical_switch = a\n";
    assert!(errors(elsewhere)[0].starts_with("plumgrid.ini:3: [switch:a] and [switch:b] are both"));
}

#[test]
fn what_excludes_each_other() {
    for (text, why) in [
        ("[api]\nlisten = 0.0.0.0:9797\nauth = none\n", "plumgrid.ini:3: auth: none lets everybody in"),
        ("[api]\nmonitoring_listen = 127.0.0.1:9797\n", "plumgrid.ini:2: monitoring_listen"),
        ("[switch:a]\nmanagement_ip = 10.0.0.1:6640\n", "under the key 'port'"),
        ("[switch:a]\ntransport = unix\nmanagement_ip = 10.0.0.1\novsdb_socket = /s\n", "not used by transport = unix"),
        ("[switch:a]\ntransport = unix\n", "needs 'ovsdb_socket'"),
        ("[switch:a]\nmanagement_ip = 10.0.0.1\npassword = x\n", "needs 'username'"),
        ("[admin]\nsocket = admin.sock\n", "absolute path"),
        ("[database]\nconnection = sqlite://vtepd.db\n", "three slashes"),
        ("[DEFAULT]\nprevious_prefixes = vtepd\n", "the deployment itself"),
        ("[DEFAULT]\nvni_ranges = 0:5\n", "range of VNIs"),
    ] {
        let errors = errors(text);
        assert!(errors.len() == 1 && errors[0].contains(why), "{errors:?}");
    }
    let long = format!("[admin]\nsocket = /{}\n", "x".repeat(107));
    assert!(errors(&long)[0].contains("may have 103 bytes, this one has 108"));
}

#[test]
fn the_original_section_is_accepted_with_one_notice() {
    let config = parse("[PLUMgridDirector]\ndirector_server = 192.0.2.1\nservertimeout = 70\n").unwrap();
    assert_eq!(config.notices, ["[plumgriddirector] is accepted and ignored (2 keys)"]);
}

#[test]
fn durations() {
    for (text, expected) in [
        ("500ms", Some(500)),
        ("3s", Some(3_000)),
        ("3", Some(3_000)),
        ("0", Some(0)),
        ("5m", Some(300_000)),
        ("4h", Some(14_400_000)),
        ("2 d", Some(172_800_000)),
        ("", None),
        ("s", None),
        ("-1s", None),
        ("1.5s", Some(1_500)),
        ("1w", Some(604_800_000)),
        ("1h 30m", Some(5_400_000)),
        ("1 fortnight", None),
        ("99999999999999999999", None),
        ("18446744073709551615h", None),
    ] {
        assert_eq!(value::duration(text).ok(), expected.map(Duration::from_millis), "{text}");
    }
}

#[test]
fn secrets_are_in_no_debug_output() {
    let config = parse("[switch:a]\nmanagement_ip = 10.0.0.1\nusername = u\npassword = geheim\n").unwrap();
    assert!(!format!("{config:?}").contains("geheim"));
    assert!(!format!("{:?}", ini::parse("[a]\npassword = geheim\n")).contains("geheim"));
}

#[test]
fn a_reload_names_the_keys_that_need_a_restart() {
    let old = parse("").unwrap();
    let new =
        parse("[api]\nlisten = 127.0.0.1:1\n[DEFAULT]\ndeployment = x\ndebug = 1\n[switch:a]\nmanagement_ip = ::1\n");
    assert_eq!(old.needs_restart(&new.unwrap()), ["[DEFAULT] deployment", "[api] listen"]);
    assert!(old.needs_restart(&old).is_empty());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(\\PC|[\n\r\t =:\\[\\]#\"]|switch|api|listen){0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn every_key_is_found_at_its_line(
        sections in prop::collection::btree_map("[a-z]{1,6}(:[A-Z][A-Za-z0-9. -]{0,4}[a-z])?",
            prop::collection::btree_map("[a-z_]{1,8}", "([!-~]([ -~]{0,20}[!-~])?)?", 0..5), 0..6),
        blank in 0_usize..3,
    ) {
        let mut text = String::new();
        for (name, entries) in &sections {
            text.push_str(&"\n".repeat(blank));
            text.extend([format!("[{name}]\n# a comment = none\n")]);
            for (key, value) in entries {
                text.extend([format!("{key} = {value}\n")]);
            }
        }
        let parsed = ini::parse(&text);
        prop_assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
        let lines: Vec<&str> = text.lines().collect();
        for (section, (name, entries)) in parsed.sections.iter().zip(&sections) {
            prop_assert_eq!(section.name.to_string(), format!("[{name}]"));
            prop_assert_eq!(section.entries.len(), entries.len());
            for entry in &section.entries {
                prop_assert_eq!(lines[entry.line as usize - 1], format!("{} = {}", entry.key, entries[&entry.key]));
                prop_assert_eq!(&entry.value, &entries[&entry.key]);
            }
        }
    }
}

/// What no packet can be sent to is no address of a host, wherever one is configured.
#[test]
fn addresses_are_those_of_one_host() {
    for (ip, why) in [
        ("127.0.0.1", "is a loopback address"),
        ("0.0.0.0", "is the unspecified address"),
        ("0.1.2.3", "is of 0.0.0.0/8"),
        ("224.0.0.1", "is a multicast address"),
        ("255.255.255.255", "is the broadcast address"),
    ] {
        for key in ["service_nodes", "bfd_dst_ip"] {
            let found = errors(&format!("[switch:t]\nmanagement_ip = 192.0.2.1\n{key} = {ip}\n"));
            assert_eq!(found.len(), 1, "{found:?}");
            let expected = format!("'{ip}' {why}");
            assert!(found[0].contains(&expected) && found[0].contains("of one host"), "{found:?}");
        }
    }
}
