//! The keys of plumgrid.ini and vtep-hostd.ini, one declaration each. To add one: declare it here, and use it.
#![allow(rustdoc::broken_intra_doc_links, reason = "sections of plumgrid.ini are written in brackets")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use super::{
    ActiveActive, LockPolicy, Mode, NetworkName, PeerVerify, SshSocket, Vendor,
    declare::{Secret, section},
    hostd, openstack,
    transport::{KINDS, Kind},
    value,
};

/// `auth` of `[api]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthWord {
    Token,
    Keystone,
    None,
}

const AUTH: &[(&str, AuthWord)] =
    &[("token", AuthWord::Token), ("none", AuthWord::None), ("keystone", AuthWord::Keystone)];
const ACTIVE_ACTIVE: &[(&str, ActiveActive)] = &[
    ("lag", ActiveActive::Lag),
    ("single-active", ActiveActive::SingleActive),
    ("independent", ActiveActive::Independent),
];
const LOCKS: &[(&str, LockPolicy)] =
    &[("auto", LockPolicy::Auto), ("required", LockPolicy::Required), ("off", LockPolicy::Off)];
const MODES: &[(&str, Mode)] = &[("enforce", Mode::Enforce), ("observe", Mode::Observe)];
const PEER_VERIFY: &[(&str, PeerVerify)] = &[("name", PeerVerify::Name), ("chain", PeerVerify::Chain)];
const DRIVERS: &[(&str, bool)] = &[("native", false), ("neutron-db", true)];

section! {
    /// Who vtepd is on the switches, and where VNIs come from.
    pub(super) struct DefaultKeys = "DEFAULT" {
        /// The prefix of our Logical_Switches, and the name of the OVSDB lock. Two daemons that program the same switch
        /// need different names.
        deployment: one String = "vtepd", "letters, digits and underscores", value::deployment, Restart;
        /// Prefixes of earlier deployments whose Logical_Switches are ours too. "" adopts the bare UUIDs of
        /// networking-l2gw, each once a connection brings its network.
        previous_prefixes: list String = "", "list of prefixes", value::prefix, Restart;
        /// Where VNIs of new networks come from, in this order.
        vni_ranges: list RangeInclusive<u32> = "1000:65535", "list of FIRST:LAST", value::vni_range, Restart;
    }
}

section! {
    /// The log. The environment's `RUST_LOG` overrides it.
    pub(super) struct LogKeys = "DEFAULT" {
        /// Logs at level debug.
        debug: one bool = "no", "yes or no", value::boolean, Reload;
        /// The level of the log.
        log_level: some &'static str = "info", "error, warn, info, debug or trace", value::log_level, Reload;
        /// Levels of single modules.
        default_log_levels: list String = "", "list of MODULE=LEVEL", value::log_target, Reload;
    }
}

section! {
    /// The store: the desired state.
    pub(super) struct DatabaseKeys = "database" {
        /// The SQLite file. It is created with mode 0600.
        connection: one (Option<PathBuf>, bool) = "sqlite:///var/lib/vtepd/vtepd.db", "URL",
            |text| Ok((value::database(text)?, value::has_password(text))), Restart;
    }
}

section! {
    /// The REST API.
    pub(super) struct ApiKeys = "api" {
        /// The address of the API.
        listen: one SocketAddr = "127.0.0.1:9797", "ADDRESS:PORT", value::socket_address, Restart;
        /// Who may call. token: X-Auth-Token must be the content of token_file. keystone: a Keystone token whose user has
        /// one of admin_roles; see [keystone_authtoken]. none: everybody; on a loopback address only.
        auth: one AuthWord = "token", "token, keystone or none", value::word(AUTH), Restart;
        /// The admin's token, generated at the first start.
        token_file: one PathBuf = "/var/lib/vtepd/token", "path", value::path, Restart;
        /// auth = keystone: users with one of these roles are admins.
        admin_roles: list String = "admin", "list of roles", value::text, Restart;
        /// TLS: the certificate chain of the API (PEM). A reload reads both files again; to turn TLS on or off needs a
        /// restart.
        tls_certificate: some PathBuf = "/etc/vtepd/api.pem", "path", value::path, Reload;
        /// TLS: its key (PEM, mode 0640, group vtepd).
        tls_private_key: some PathBuf = "/etc/vtepd/api.key", "path", value::path, Reload;
        /// Tokens of compute nodes, one host:token a line, mode 0600. Each reads /v2/fdb and writes its own ports.
        host_token_file: some PathBuf = "/etc/vtepd/host-tokens", "path", value::path, Restart;
        /// Ports that a compute node may have made with its own token.
        max_ports_per_host: one u32 = "4096", "number", value::number(1..=1 << 20), Restart;
        /// A separate listener for /healthz, /readyz and /metrics, without TLS.
        monitoring_listen: some SocketAddr = "127.0.0.1:9798", "ADDRESS:PORT", value::socket_address, Restart;
    }
}

section! {
    /// The admin socket and the journal.
    pub(super) struct AdminKeys = "admin" {
        /// The socket of the operator's tools.
        socket: one PathBuf = "/run/vtepd/admin.sock", "path", value::own_socket_path, Restart;
        /// The group that may use the socket besides the daemon's own user. Its members are admins, and the daemon's user must
        /// be one: usermod -aG GROUP vtepd.
        group: some String = "vtepd", "name of a group", value::text, Restart;
        /// How long the journal (l2gw audit) keeps calls, plans and drift.
        journal_age: one Duration = "90d", "duration", value::duration, Restart;
        /// The size that the journal may grow to, in MiB.
        journal_size: one u64 = "64", "MiB", value::number(1..=1_000_000), Restart;
    }
}

section! {
    /// Learned MACs, on their way to compute nodes and to the switches of other gateways.
    pub(super) struct RelayKeys = "relay" {
        /// How long the MACs of a switch are kept whose session is lost. 0: until the switch withdraws them.
        learned_hold: one Duration = "0", "duration", value::duration, Restart;
        /// How long a gateway stays in flood lists after its last MAC was withdrawn. 0: for ever.
        idle_flood_hold: one Duration = "4h", "duration", value::duration, Restart;
        /// Learned MACs that are taken from one switch.
        max_learned_macs: one usize = "65536", "number", value::number(1..=1 << 20), Restart;
    }
}

section! {
    /// Two switches in one gateway. `[relay]` sets these keys for all gateways, `[gateway:NAME]` for one.
    pub(super) struct GatewayKeys = "relay" {
        /// lag: their ports are one bundle. single-active: the segment is bridged behind them, only one is bound.
        /// independent: separate segments.
        active_active: one ActiveActive = "lag", "lag, single-active or independent", value::word(ACTIVE_ACTIVE), Restart;
        /// single-active: whether the twin takes over from a switch that can't be reached, and may still forward.
        failover_unreachable: one bool = "no", "yes or no", value::boolean, Restart;
        /// single-active: how long a switch may still forward after its database let go, until its hardware follows. The
        /// twin is bound after that. 0: at once, which doubles frames where the hardware is slower.
        handover_hold: one Duration = "2s", "duration", value::duration, Restart;
    }
}

section! {
    /// Credentials of all switches.
    pub(super) struct AccountKeys = "l2gateway" {
        /// transport = ssh: the user that logs in.
        sw_username: some String = "admin", "text", value::text, Reload;
        /// transport = ssh: the user's password.
        sw_password: some Secret = "secret", "text", value::hidden, Reload;
    }
}

section! {
    /// Defaults of every switch. Each key can be set in `[switch:NAME]` too.
    pub(super) struct CommonKeys = "l2gateway" {
        /// What the schema of a switch doesn't tell: generic, arista, cumulus, dell, extreme, hpe or juniper. Any other
        /// word is a note for you.
        vendor: one Vendor = "generic", "a vendor", value::vendor, Reload;
        /// How switches are reached. passive: they dial us, see [listen].
        transport: one Kind = "tcp", "tcp, ssl, unix, ssh or passive", value::word(&KINDS), Reload;
        /// The port of the OVSDB server; with ssh that of the SSH server. Without the key: 6640, with ssh 22.
        port: some u16 = "6640", "number", value::number(1..=u16::MAX), Reload;
        /// ssl: our key (PEM). ssh: the user's key, in OpenSSH's form, not RSA. Files are read for every session: a
        /// renewed one needs no signal.
        private_key: some PathBuf = "/etc/vtepd/vtepd-key.pem", "path", value::path, Reload;
        /// ssl: our certificate (PEM).
        certificate: some PathBuf = "/etc/vtepd/vtepd-cert.pem", "path", value::path, Reload;
        /// ssl: the CAs that sign the certificates of the switches (PEM).
        ca_cert: some PathBuf = "/etc/vtepd/switches-ca.pem", "path", value::path, Reload;
        /// ssl. name: the certificate must be for management_ip (IP address or DNS name). chain: the signature of a CA of
        /// ca_cert is enough, for certificates with only a common name (those of ovs-pki).
        peer_verify: one PeerVerify = "name", "name or chain", value::word(PEER_VERIFY), Reload;
        /// ssh: the keys of the switches (ssh-keyscan, compared on the switch).
        known_hosts: one PathBuf = "/etc/ssh/ssh_known_hosts", "path", value::path, Reload;
        /// The OVSDB lock. auto: taken where the server knows locks. required: nothing is written without it. Without the
        /// key: what the vendor needs, which is auto.
        lock: some LockPolicy = "auto", "auto, required or off", value::word(LOCKS), Reload;
        /// Deletions that no API call explains are held if they are more than this share of our rows on a switch …
        guard_percent: one u8 = "20", "percent", value::number(0..=100), Reload;
        /// … and at least this many.
        guard_min_rows: one u32 = "10", "number", value::number(0..=u32::MAX), Reload;
        /// observe: plans are shown (l2gw switch diff), and nothing is written until l2gw switch repair.
        mode: one Mode = "enforce", "enforce or observe", value::word(MODES), Reload;
        /// Who replicates broadcasts for switches that send them to one node only (vendor = cumulus). Empty: the switch
        /// itself.
        service_nodes: list Ipv4Addr = "", "list of IPv4 addresses", value::ipv4, Reload;
        /// Rows that are kept in the switches' table Manager; other rows there stay.
        manager_targets: list String = "", "list of ssl:ADDRESS:PORT", value::manager_target, Reload;
        /// BFD on the tunnels that a switch has made. A tunnel that is down is shown with its compute node, and its
        /// bindings are degraded. off touches no tunnel.
        bfd: one bool = "off", "on or off", value::boolean, Reload;
        /// BFD: the interval at which packets are accepted.
        bfd_min_rx: some Duration = "1s", "duration", value::interval, Reload;
        /// BFD: the interval at which packets are sent.
        bfd_min_tx: some Duration = "100ms", "duration", value::interval, Reload;
        /// BFD: the destination MAC of the switch's packets.
        bfd_dst_mac: some String = "00:23:20:00:00:01", "MAC address", value::mac, Reload;
        /// BFD: the destination address of the switch's packets.
        bfd_dst_ip: some Ipv4Addr = "169.254.1.1", "IPv4 address", value::ipv4, Reload;
        /// How long a switch may be silent before it is probed. 0: never. The session is lost after as long again, at
        /// least 1s, if its kernel acknowledges nothing, and after six times as long without an answer if it does (one
        /// more second for each 50,000 MACs). Without the key: what the vendor needs, which is 5s. With ssh it is the
        /// keep-alive too.
        inactivity_probe: some Duration = "5s", "duration", value::duration, Reload;
    }
}

section! {
    /// One section for each switch. The name is the device name in the API.
    pub(super) struct SwitchKeys = "switch:NAME" {
        /// The management address: an IPv4 or IPv6 address or a name. Not for unix and passive.
        management_ip: some String = "192.0.2.11", "host", value::host, Reload;
        /// The switch's own name (`Physical_Switch.name`) where it differs from the section's.
        physical_switch: some String = "leaf-12", "text", value::text, Reload;
        /// unix: the socket. ssh: a path on the switch, or tcp:HOST:PORT as the switch sees it; without the key
        /// /var/run/openvswitch/db.sock, then port 6640.
        ovsdb_socket: some SshSocket = "/var/run/openvswitch/db.sock", "path or tcp:HOST:PORT", value::ssh_socket, Reload;
        /// ssl, passive: the pinned certificate (openssl x509 -noout -fingerprint -sha256), instead of a CA.
        peer_fingerprint: some [u8; 32] =
            "SHA256:9F:86:D0:81:88:4C:7D:65:9A:2F:EA:A0:C5:5A:D0:15:A3:BF:4F:1B:2B:0B:82:2C:D1:5D:6C:15:B0:F0:0A:08",
            "SHA-256 fingerprint", value::certificate_fingerprint, Reload;
        /// ssh: the pinned host key (ssh-keygen -lf, on the switch), instead of known_hosts.
        host_key_fingerprint: some String = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDPTcuwJQZ3DfgFiDI", "SHA256:…",
            value::host_key_fingerprint, Reload;
        /// ssh: the user that logs in, instead of sw_username.
        username: some String = "admin", "text", value::text, Reload;
        /// ssh: the user's password, instead of sw_password.
        password: some Secret = "secret", "text", value::hidden, Reload;
        /// ssh: a file that holds the password alone, mode 0600.
        password_file: some PathBuf = "/etc/vtepd/tor-switch-2.password", "path", value::path, Reload;
    }
}

section! {
    /// Where switches with `transport = passive` dial in.
    pub(super) struct ListenKeys = "listen" {
        /// Without TLS.
        ptcp: some SocketAddr = "192.0.2.1:6640", "ADDRESS:PORT", value::socket_address, Restart;
        /// With TLS: private_key, certificate and ca_cert of [l2gateway].
        pssl: some SocketAddr = "192.0.2.1:6641", "ADDRESS:PORT", value::socket_address, Restart;
    }
}

section! {
    /// Where networks and ports come from.
    pub(super) struct SourceKeys = "source" {
        /// native: the API. neutron-db: the database of an existing Neutron (Zed or newer), which is only read.
        driver: one bool = "native", "native or neutron-db", value::word(DRIVERS), Restart;
        /// neutron-db: the database, as in neutron.conf.
        connection: some openstack::NeutronUrl = "mysql+pymysql://vtepd:secret@controller/neutron?charset=utf8", "URL",
            openstack::neutron_url, Restart;
        /// neutron-db: the time between two reads, 100ms to 1m.
        poll_interval: one Duration = "2s", "duration", openstack::poll_interval, Restart;
    }
}

section! {
    /// For `auth = keystone`: where Keystone is, and the account that validates tokens.
    pub(super) struct KeystoneKeys = "keystone_authtoken" {
        /// Keystone's address.
        auth_url: some String = "http://controller:5000", "URL", openstack::keystone_url, Restart;
        /// The account. It needs the role service or admin.
        username: some String = "vtepd", "text", value::text, Restart;
        /// Its password.
        password: some Secret = "secret", "text", value::hidden, Restart;
        /// The project on which the account has its role.
        project_name: some String = "service", "text", value::text, Restart;
        /// The domain of the account.
        user_domain_name: one String = "Default", "text", value::text, Restart;
        /// The domain of the project.
        project_domain_name: one String = "Default", "text", value::text, Restart;
        /// CAs of Keystone's certificate (PEM), instead of the system's.
        cafile: some PathBuf = "/etc/vtepd/keystone-ca.pem", "path", value::path, Restart;
    }
}

section! {
    /// Several daemons. Not built yet: the keys are known, and only their defaults are accepted.
    pub(super) struct ClusterKeys = "cluster" {
        /// The name of this daemon.
        name: some String = "network-1", "text", value::text, Restart;
        /// The time between two heartbeats.
        heartbeat: one Duration = "1s", "duration", value::duration, Restart;
        /// How old a heartbeat may be.
        lease_ttl: one Duration = "3s", "duration", value::duration, Restart;
    }
}

section! {
    /// vtepd's API, as vtep-hostd calls it.
    pub(super) struct VtepdKeys = "vtepd" {
        /// The address of vtepd's API.
        url: some String = "http://192.0.2.1:9797", "URL", hostd::url, Restart;
        /// This host's token: the one that vtepd's host_token_file has for it, alone in a file that only root and the
        /// group vtepd may read (mode 0640). Without the key no token is sent.
        token_file: some PathBuf = "/etc/vtepd/host-token", "path", value::path, Restart;
        /// CAs of the certificate of an https:// address, instead of the system's.
        ca_cert: some PathBuf = "/etc/vtepd/ca.pem", "path", value::path, Restart;
        /// The silence after which the connection is given up. vtepd sends something every 15 s.
        silence: one Duration = "45s", "duration, at least 20s", value::duration, Restart;
    }
}

section! {
    /// This compute node.
    pub(super) struct HostKeys = "host" {
        /// This node's VTEP, as in its tunnel endpoint.
        local_ip: some Ipv4Addr = "198.51.100.11", "IPv4 address", value::ipv4, Restart;
        /// This node's name, as Neutron's binding:host_id has it. Without the key: the machine's host name. Ports that
        /// report_ports reported under another name stay there; remove them with l2gw port delete.
        name: some String = "compute-1", "text", value::text, Restart;
        /// The underlay interface of the tunnels. Without the key the routes decide. While it doesn't exist, nothing is
        /// created or changed.
        device: some String = "eth1", "name of an interface", hostd::interface, Restart;
        /// VXLAN's UDP port.
        port: one u16 = "4789", "number", value::number(1..=u16::MAX), Restart;
        /// The MTU of the interfaces. Without the key: what fits into the underlay's, also when that changes. With device: at
        /// most what fits.
        mtu: some u32 = "1450", "576 to 65535", value::number(576..=65535), Restart;
        /// Answers ARP and neighbour solicitations here where vtepd knows the address. Gratuitous ARP then stays on this
        /// node.
        arp_proxy: one bool = "no", "yes or no", value::boolean, Restart;
        /// Networks that have their interfaces here even without a port.
        networks: list NetworkName = "", "list of VNIs or UUIDs", hostd::network, Restart;
        /// Without Neutron: reports the MACs that the bridges' other interfaces learn as ports of this host. Name the
        /// networks above; the tunnel endpoint of this host must exist. With no, reported ports are withdrawn.
        report_ports: one bool = "no", "yes or no", value::boolean, Restart;
        /// The record of our flood entries. It must not survive a reboot. Move the file when you change the path: entries
        /// that it doesn't name stay, and the log says how many there are.
        state_file: one PathBuf = "/run/vtep-hostd/flood.json", "path", value::path, Restart;
    }
}
