//! Statements over many rows at once. Their rows travel as one JSON text: binding them one by one takes ten times as
//! long. JSON is where databases differ most (`json_each`, `json_to_recordset`, `JSON_TABLE`), so all of it is here.

use serde::Serialize;

use super::{StoreError, sql::Result};

/// Inserts rows [id, interface, device, VLAN or null, position]: a trunk may carry thousands of VLANs.
pub(super) const INSERT_INTERFACES: &str = "
    INSERT INTO pg_l2gatewayinterfaces (id, interface_name, device_id, segmentation_id, position)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
    FROM json_each($1)";

/// Inserts ports from rows of [`super::codec::NewPortRow`].
pub(super) const INSERT_PORTS: &str = "
    INSERT INTO ports (id, network_id, mac, host, name, tenant_id, fixed_ips, address_pairs, elsewhere, attributes,
                       created_s, updated_s, changed)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
           value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12
    FROM json_each($1)";

/// One page of ports, in the order in which they lie in the file: the last row number, and their rows.
pub(super) const PORTS_PAGE: &str = "
    SELECT COALESCE(MAX(place), 0),
           json_group_array(json_array(id, network_id, mac, host, name, tenant_id, fixed_ips, address_pairs, elsewhere))
    FROM (SELECT rowid AS place, * FROM ports WHERE rowid > $1 ORDER BY rowid LIMIT $2)";

/// The rows of ports of these networks that have address pairs: by an index of such ports alone.
pub(super) const PORTS_WITH_PAIRS: &str = "
    SELECT json_group_array(json_array(id, network_id, mac, host, name, tenant_id, fixed_ips, address_pairs, elsewhere))
    FROM ports INDEXED BY ports_pairs
    WHERE address_pairs <> '' AND network_id IN (SELECT value FROM json_each($1))";

/// Those of [network, MAC] rows that a switch has learned.
pub(super) const LEARNED_AMONG: &str = "
    SELECT l.network_id, l.mac, l.switch
    FROM json_each($1) AS wanted
    CROSS JOIN learned_macs AS l ON l.network_id = (wanted.value ->> 0) AND l.mac = (wanted.value ->> 1)";

/// The rows of a statement in its order, each as an array, in one array.
pub(super) fn gathered(columns: &str, statement: &str) -> String {
    format!("SELECT json_group_array(json_array({columns})) FROM ({statement})")
}

/// Ports of [network, MAC] rows that exist.
pub(super) const PORTS_WITH_MACS: &str = "
    SELECT p.id, p.network_id, p.mac
    FROM json_each($1) AS wanted
    CROSS JOIN ports AS p ON p.mac = (wanted.value ->> 1) AND p.network_id = (wanted.value ->> 0)";

/// Removes the ports with these ids.
pub(super) const DELETE_PORTS: &str = "DELETE FROM ports WHERE id IN (SELECT value FROM json_each($1))";

/// Counts the ports of these hosts.
pub(super) const PORTS_OF_HOSTS: &str = "SELECT COUNT(*) FROM ports WHERE host IN (SELECT value FROM json_each($1))";

/// Notes addresses of rows [subnet, address, port].
pub(super) const INSERT_ALLOCATIONS: &str = "
    INSERT INTO ip_allocations (subnet_id, ip, port_id)
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1)";

/// Those of [subnet, address] rows that a port has.
pub(super) const ALLOCATIONS_AMONG: &str = "
    SELECT a.subnet_id, a.ip, a.port_id
    FROM json_each($1) AS wanted
    CROSS JOIN ip_allocations AS a ON a.subnet_id = (wanted.value ->> 0) AND a.ip = (wanted.value ->> 1)";

/// Which of these networks exist.
pub(super) const NETWORKS_AMONG: &str =
    "SELECT id FROM networks WHERE gone = 0 AND id IN (SELECT value FROM json_each($1))";

/// Which of these hosts have a tunnel endpoint.
pub(super) const HOSTS_AMONG: &str =
    "SELECT host FROM tunnel_endpoints WHERE host IN (SELECT value FROM json_each($1))";

/// A connection with another network that claims one of these [switch, port, VLAN] rows: by a VLAN that the interface
/// names, or by its default on an interface that names none. Connections with networks that have no VNI (any more) claim
/// nothing.
pub(super) const VLAN_CLASH: &str = "
    SELECT d.device_name, i.interface_name, i.segmentation_id, c.network_id, c.id
    FROM json_each($1) AS b
    CROSS JOIN pg_l2gatewayinterfaces AS i
        ON i.interface_name = (b.value ->> 1) AND i.segmentation_id = (b.value ->> 2)
    CROSS JOIN pg_l2gatewaydevices AS d ON d.id = i.device_id AND d.device_name = (b.value ->> 0)
    CROSS JOIN pg_networkconnections AS c ON c.l2_gateway_id = d.l2_gateway_id
    WHERE c.network_id <> $2 AND NOT EXISTS (SELECT 1 FROM networks AS n WHERE n.id = c.network_id AND n.vni IS NULL)
    UNION ALL
    SELECT d.device_name, i.interface_name, c.default_segmentation_id, c.network_id, c.id
    FROM json_each($3) AS b
    CROSS JOIN pg_l2gatewaydevices AS d ON d.device_name = (b.value ->> 0)
    CROSS JOIN pg_networkconnections AS c
        ON c.l2_gateway_id = d.l2_gateway_id AND c.default_segmentation_id = (b.value ->> 2)
    CROSS JOIN pg_l2gatewayinterfaces AS i
        ON i.device_id = d.id AND i.interface_name = (b.value ->> 1) AND i.segmentation_id IS NULL
    WHERE c.network_id <> $4 AND NOT EXISTS (SELECT 1 FROM networks AS n WHERE n.id = c.network_id AND n.vni IS NULL)
    LIMIT 1";

/// Writes tombstones of rows [kind, network, switch, port, VLAN, MAC].
pub(super) const INSERT_TOMBSTONES: &str = "
    INSERT INTO tombstones (kind, network_id, switch, port, vlan, mac, revision)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, $1
    FROM json_each($2)
    WHERE TRUE
    ON CONFLICT (kind, network_id, switch, port, vlan, mac) DO UPDATE SET revision = excluded.revision";

/// Removes tombstones of such rows.
pub(super) const DELETE_TOMBSTONES: &str = "
    DELETE FROM tombstones
    WHERE (kind, network_id, switch, port, vlan, mac) IN
        (SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each($1))";

/// Writes learned MACs of rows [network, MAC, switch, VTEP, IPs, when].
pub(super) const SET_LEARNED: &str = "
    INSERT INTO learned_macs (network_id, mac, switch, vtep, ips, learned_ms)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
    FROM json_each($1)
    WHERE TRUE
    ON CONFLICT (network_id, mac, switch) DO UPDATE
        SET vtep = excluded.vtep, ips = excluded.ips, learned_ms = excluded.learned_ms";

/// Removes learned MACs of rows [network, MAC, switch].
pub(super) const DELETE_LEARNED: &str = "
    DELETE FROM learned_macs
    WHERE (network_id, mac, switch) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1))";

/// Forgets databases that are not among these.
pub(super) const FORGET_DATABASES: &str =
    "DELETE FROM switch_progress WHERE name NOT IN (SELECT value FROM json_each($1))";

/// Adds databases that are not known yet.
pub(super) const ADD_DATABASES: &str = "
    INSERT INTO switch_progress (name, revision)
    SELECT value, 0 FROM json_each($1)
    WHERE value NOT IN (SELECT name FROM switch_progress)";

/// Before a column of ORDER BY: no index is walked along for it. SQLite's way to say so.
pub(super) const UNINDEXED: &str = "+";

/// Whether a column has one of the values of the placeholder's JSON array.
pub(super) fn among(column: &str, place: usize) -> String {
    format!("{column} IN (SELECT value FROM json_each(${place}))")
}

/// The JSON text of rows.
pub(super) fn json<T: Serialize + ?Sized>(rows: &T) -> Result<String> {
    // Ids, numbers and strings always have a JSON form; the error is passed on all the same.
    serde_json::to_string(rows).map_err(|error| StoreError::Database(std::sync::Arc::new(error)))
}
