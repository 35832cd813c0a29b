//! Rows as neutron-server writes them.

use std::{cell::Cell, fmt::Write as _};

use crate::database::{Kind, Server};

/// The schemas that are tried.
pub(crate) const ZED: (Kind, &str) = (Kind::MariaDb, "neutron-zed.mysql");
pub(crate) const LATEST: (Kind, &str) = (Kind::MariaDb, "neutron-latest.mysql");
pub(crate) const ZED_ON_POSTGRESQL: (Kind, &str) = (Kind::PostgreSql, "neutron-zed.postgresql");

/// Neutron's database, and Neutron's hand.
#[derive(Debug)]
pub(crate) struct Neutron {
    pub(crate) server: Server,
    /// Numbers of `standardattributes`, far from those that the schema brings.
    next: Cell<u32>,
}

impl Neutron {
    pub(crate) fn start((kind, schema): (Kind, &str)) -> Self {
        Self { server: Server::start(kind, schema), next: Cell::new(1_000_000) }
    }

    fn number(&self) -> u32 {
        self.next.set(self.next.get() + 1);
        self.next.get()
    }

    fn attributes(&self, kind: &str) -> (u32, String) {
        let (number, now) = (self.number(), self.server.now());
        let sql = format!(
            "INSERT INTO standardattributes (id, resource_type, created_at, updated_at, revision_number) \
             VALUES ({number}, '{kind}', {now}, {now}, 1);\n"
        );
        (number, sql)
    }

    /// A network with these segments (type, number), and a subnet whose id ends in `s`; its UUID.
    pub(crate) fn network(&self, name: &str, segments: &[(&str, u32)]) -> String {
        let (number, mut sql) = self.attributes("networks");
        let id = uuid(number, 'a');
        let _ = writeln!(
            sql,
            "INSERT INTO networks (id, name, project_id, status, admin_state_up, mtu, standard_attr_id) \
             VALUES ('{id}', '{name}', 'p1', 'ACTIVE', TRUE, 1450, {number});"
        );
        for (index, (kind, vni)) in segments.iter().enumerate() {
            let (segment, attributes) = self.attributes("networksegments");
            let physical = if *kind == "vxlan" { "NULL" } else { "'physnet1'" };
            let _ = writeln!(
                sql,
                "{attributes}INSERT INTO networksegments (id, network_id, network_type, physical_network, segmentation_id, \
                 is_dynamic, segment_index, standard_attr_id) VALUES ('{}', '{id}', '{kind}', {physical}, {vni}, FALSE, \
                 {index}, {segment});",
                uuid(segment, 'b'),
            );
        }
        let (subnet, attributes) = self.attributes("subnets");
        let _ = writeln!(
            sql,
            "{attributes}INSERT INTO subnets (id, project_id, name, network_id, ip_version, cidr, enable_dhcp, \
             standard_attr_id) VALUES ('{}', 'p1', '', '{id}', 4, '10.0.0.0/8', TRUE, {subnet});",
            subnet_of(&id),
        );
        self.server.sql(&sql);
        id
    }

    /// Gives the segments of these networks (quoted, with commas) another type.
    pub(crate) fn segment(&self, networks: &str, kind: &str) {
        self.server.sql(&format!(
            "UPDATE networksegments SET network_type = '{kind}' WHERE network_id IN ({networks});\nUPDATE \
             standardattributes SET updated_at = {} WHERE id IN (SELECT standard_attr_id FROM networks WHERE id IN \
             ({networks}))",
            self.server.now()
        ));
    }

    /// A port with its binding, bound where `host` isn't empty; its UUID.
    pub(crate) fn port(&self, network: &str, mac: &str, ips: &[&str], host: &str) -> String {
        let (id, sql) = self.port_sql(network, mac, ips, host);
        self.server.sql(&sql);
        id
    }

    fn port_sql(&self, network: &str, mac: &str, ips: &[&str], host: &str) -> (String, String) {
        let (number, mut sql) = self.attributes("ports");
        let id = uuid(number, 'c');
        let _ = writeln!(
            sql,
            "INSERT INTO ports (id, name, project_id, network_id, mac_address, admin_state_up, status, device_id, \
             device_owner, standard_attr_id) VALUES ('{id}', 'vm', 'p1', '{network}', '{mac}', TRUE, 'ACTIVE', '', \
             'compute:nova', {number});"
        );
        for ip in ips {
            let _ = writeln!(
                sql,
                "INSERT INTO ipallocations (port_id, ip_address, subnet_id, network_id) VALUES ('{id}', '{ip}', '{}', \
                 '{network}');",
                subnet_of(network),
            );
        }
        sql.push_str(&binding_sql(&id, host, "ACTIVE"));
        (id, sql)
    }

    /// Many ports at once: `fa:16:3e:xx:xx:xx` counted from `first`.
    pub(crate) fn ports(&self, network: &str, first: u32, count: u32, host: &str) {
        let mut all = String::new();
        for n in first..first + count {
            let mac = format!("fa:16:3e:{:02x}:{:02x}:{:02x}", n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff);
            let ip = format!("10.{}.{}.{}", n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff);
            all.push_str(&self.port_sql(network, &mac, &[&ip], host).1);
        }
        self.server.sql(&all);
    }

    /// A further binding of a port.
    pub(crate) fn bind(&self, port: &str, host: &str, status: &str) {
        self.server.sql(&binding_sql(port, host, status));
    }

    /// A binding of a distributed router's port.
    pub(crate) fn bind_distributed(&self, port: &str, host: &str) {
        self.server.sql(&format!(
            "INSERT INTO ml2_distributed_port_bindings (port_id, host, router_id, vif_type, vif_details, vnic_type, profile, \
             status) VALUES ('{port}', '{host}', '', 'ovs', '', 'normal', '', 'ACTIVE')"
        ));
    }

    pub(crate) fn address_pair(&self, port: &str, mac: &str, ip: &str) {
        self.server.sql(&format!(
            "INSERT INTO allowedaddresspairs (port_id, mac_address, ip_address) VALUES ('{port}', '{mac}', '{ip}');\n{}",
            self.revise(port)
        ));
    }

    /// Raises the revision of a port, as Neutron does with what it revises.
    pub(crate) fn revise(&self, port: &str) -> String {
        format!(
            "UPDATE standardattributes SET revision_number = revision_number + 1, updated_at = {} WHERE id = (SELECT \
             standard_attr_id FROM ports WHERE id = '{port}')",
            self.server.now()
        )
    }

    /// The VTEP of a compute node, as ML2's type driver for VXLAN keeps it.
    pub(crate) fn endpoint(&self, host: &str, ip: &str) {
        let row = format!("('{ip}', 4789, '{host}')");
        self.server.sql(&format!("INSERT INTO ml2_vxlan_endpoints (ip_address, udp_port, host) VALUES {row}"));
    }

    /// An agent that says what its VTEP is.
    pub(crate) fn agent(&self, host: &str, ip: &str) {
        let now = self.server.now();
        let load = if self.server.url().starts_with("mysql") { "`load`" } else { "load" };
        let binary = if self.server.url().starts_with("mysql") { "`binary`" } else { "\"binary\"" };
        self.server.sql(&format!(
            "INSERT INTO agents (id, agent_type, {binary}, topic, host, admin_state_up, created_at, started_at, \
             heartbeat_timestamp, configurations, {load}) VALUES ('{}', 'Open vSwitch agent', 'neutron-openvswitch-agent', \
             'N/A', '{host}', TRUE, {now}, {now}, {now}, '{{\"tunneling_ip\": \"{ip}\", \"tunnel_types\": [\"vxlan\"], \
             \"bridge_mappings\": {{}}}}', 0)",
            uuid(self.number(), 'd'),
        ));
    }

    /// Deletes a port as Neutron does: its attributes, and with them all that is the port's.
    pub(crate) fn delete_port(&self, port: &str) {
        self.server.sql(&format!(
            "DELETE FROM standardattributes WHERE id = (SELECT standard_attr_id FROM ports WHERE id = '{port}')"
        ));
    }

    /// Deletes a network with its ports and subnets.
    pub(crate) fn delete_network(&self, network: &str) {
        self.server.sql(&format!(
            "DELETE FROM ports WHERE network_id = '{network}';\nDELETE FROM subnets WHERE network_id = \
                                  '{network}';\nDELETE FROM networks WHERE id = '{network}'"
        ));
    }
}

fn binding_sql(port: &str, host: &str, status: &str) -> String {
    let vif = if host.is_empty() { "unbound" } else { "ovs" };
    format!(
        "INSERT INTO ml2_port_bindings (port_id, host, vif_type, vnic_type, profile, vif_details, status) VALUES \
         ('{port}', '{host}', '{vif}', 'normal', '', '', '{status}');\n"
    )
}

fn uuid(number: u32, kind: char) -> String {
    format!("{number:08x}-0000-4000-8000-00000000000{kind}")
}

/// The subnet of a network that [`Neutron::network`] made.
fn subnet_of(network: &str) -> String {
    format!("{}e", network.strip_suffix('a').expect("a network's id"))
}
