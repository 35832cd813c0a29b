//! The tables of `hardware_vtep` that are followed, each declared once; [`super::table`] says how to read this.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use ovsdb::json::{Cursor, JsonError};
use uuid::Uuid;

use super::{
    LocatorRef, LogicalSwitchRef, Strings,
    budget::{Budget, BudgetExcess},
    read,
    replica::{Replica, Touched},
    rows::{ReplicationMode, RowIp},
    table::{self, ColumnName, ColumnSpec, Lack, Need, TableSpec, tables},
    write::{self, RowWriter},
};
use crate::model::{MacAddr, Vni, event::Action};

tables! {
    /// A row of Physical_Switch.
    row PhysicalSwitch {
        /// `name`.
        name: String = "name", read text;
        /// `tunnel_ips`: its own VTEPs.
        tunnel_ips: Vec<IpAddr> = "tunnel_ips", read addresses;
        /// `ports`.
        ports: Vec<Uuid> = "ports", read references;
        /// `switch_fault_status`.
        faults: Vec<String> = "switch_fault_status", read texts, since "1.1" or "faults of the switch can't be shown";
    }
    table PhysicalSwitch = "Physical_Switch", needed Always,
        kept by set_switch, rows |replica| replica.switches.len(), limit |budget| budget.switches;

    /// A row of Physical_Port.
    row PhysicalPort {
        /// `name`.
        name: String = "name", read text;
        /// `vlan_bindings`: VLAN (0 to 4095) and the Logical_Switch's UUID.
        bindings: BTreeMap<u16, Uuid> = "vlan_bindings", read bindings, write bindings(&BTreeMap<u16, Uuid>);
        /// `port_fault_status`, without `UP`, which is none.
        faults: Vec<String> = "port_fault_status", read port_faults, since "1.1" or "faults of ports can't be shown";
    }
    table PhysicalPort = "Physical_Port", needed Always,
        kept by set_port, rows |replica| replica.ports.len(), limit |budget| budget.ports,
        reasons {
            Insert: "a connection binds it",
            Update: "a connection binds it to another network",
            Delete: "no connection binds it",
        };

    /// A row of Logical_Switch.
    row LogicalSwitch {
        /// `name`; unique in the schema.
        name: String = "name", read text, write text(&str);
        /// `tunnel_key`: the VNI, as far as the schema's integer is one.
        tunnel_key: Option<i64> = "tunnel_key", read integer, write vni(Vni);
        /// `description`.
        description: String = "description", read text, write text(&str),
            since "1.0" or "the network's name can't be shown on the switch";
        /// `replication_mode`.
        replication_mode: Option<ReplicationMode> = "replication_mode",
            read replication_mode, write replication_mode(ReplicationMode),
            since "1.6" or "the switch sends broadcasts to one member of the flood list only";
    }
    unread {
        "other_config", since "1.5.1" or "a vendor's own settings can't stand there; vtepd makes none";
    }
    table LogicalSwitch = "Logical_Switch", needed Always,
        kept by set_logical_switch, rows Replica::logical_switch_count, limit |budget| budget.logical_switches,
        reasons {
            Insert: "a connection brings the network to this switch",
            Update: "differs from the network",
            Delete: "the network has another Logical_Switch",
        };

    /// A row of Physical_Locator, as a message has it.
    row LocatorRow {
        /// `dst_ip`, where it is an IPv4 address.
        ip: Option<Ipv4Addr> = "dst_ip", read ipv4, write ipv4(Ipv4Addr);
        /// Whether `encapsulation_type` is another one than ours, `vxlan_over_ipv4`.
        other_encapsulation: bool = "encapsulation_type", read other_encapsulation, write word(&'static str);
        /// Whether `tunnel_key` is set.
        keyed: bool = "tunnel_key", read presence,
            since "1.5" or "tunnels have no key of their own; ours need none";
    }
    table PhysicalLocator = "Physical_Locator", needed Always,
        kept by set_locator_row, rows Replica::locator_count, limit |budget| budget.locators;

    /// A row of Physical_Locator_Set, as a message has it.
    row LocatorSetRow {
        /// `locators`.
        locators: Vec<Uuid> = "locators", read references, write locators(&[LocatorRef]);
    }
    table PhysicalLocatorSet = "Physical_Locator_Set", needed Always,
        kept by set_locator_set_row, rows |replica| replica.sets.len(), limit |budget| budget.sets;

    /// A row of Ucast_Macs_Remote or Ucast_Macs_Local, as a message has it.
    row UnicastRow {
        /// `MAC`; `None`: it is no MAC address.
        mac: Option<MacAddr> = "MAC", read mac, write mac(MacAddr);
        /// `logical_switch`.
        logical_switch: Option<Uuid> = "logical_switch", read reference, write logical_switch(LogicalSwitchRef);
        /// `locator`.
        locator: Option<Uuid> = "locator", read reference, write locator(LocatorRef);
        /// `ipaddr`.
        ip: RowIp = "ipaddr", read row_ip, write ip(Option<IpAddr>);
    }
    table UcastMacsRemote = "Ucast_Macs_Remote", needed Always,
        kept by set_remote_unicast, rows Replica::mac_total, limit |budget| budget.remote_macs;
    table UcastMacsLocal = "Ucast_Macs_Local", needed Always,
        kept by set_local_unicast, rows Replica::local_unicasts, limit |budget| budget.local_macs;

    /// A row of Mcast_Macs_Remote or Mcast_Macs_Local, as a message has it.
    row MulticastRow {
        /// Whether `MAC` is `unknown-dst`: the flood list.
        unknown_dst: bool = "MAC", read unknown_dst, write word(&'static str);
        /// `logical_switch`.
        logical_switch: Option<Uuid> = "logical_switch", read reference, write logical_switch(LogicalSwitchRef);
        /// `locator_set`.
        set: Option<Uuid> = "locator_set", read reference, write locator_set(u32);
    }
    table McastMacsRemote = "Mcast_Macs_Remote", needed Always,
        kept by set_remote_multicast, rows |replica| replica.multicasts.len(), limit |budget| budget.multicasts,
        reasons {
            Insert: "the flood list of the network's compute nodes is missing",
            Update: "differs from the network's compute nodes",
            Delete: "the network needs no such row",
        };
    table McastMacsLocal = "Mcast_Macs_Local", needed Always,
        kept by set_local_multicast_row, rows |replica| replica.local_multicasts.len(), limit |budget| budget.multicasts;

    /// A row of Tunnel, as a message has it.
    row TunnelRow {
        /// `local`.
        local: Option<Uuid> = "local", read reference;
        /// `remote`.
        remote: Option<Uuid> = "remote", read reference;
        /// `bfd_params`.
        bfd_params: Strings = "bfd_params", read strings;
        /// `bfd_config_remote`.
        bfd_config_remote: Strings = "bfd_config_remote", read strings;
        /// `bfd_status`.
        bfd_status: Strings = "bfd_status", read strings;
    }
    table Tunnel = "Tunnel", needed Bfd since "1.3" or "BFD can't be configured",
        kept by set_tunnel, rows Replica::tunnel_count, limit |budget| budget.tunnels,
        reasons { Update: "bfd = on" };

    /// A row of Manager.
    row Manager {
        /// `target`.
        target: String = "target", read text, write text(&str);
    }
    table Manager = "Manager", needed Managers since "1.0" or "manager_targets can't be kept",
        kept in managers, limit |budget| budget.managers,
        reasons { Insert: "manager_targets" };

    /// The row of Global.
    row Global {
        /// `managers`; we add to them without looking.
        managers: () = "managers", read nothing;
    }
    table Global = "Global", needed Managers since "1.0" or "manager_targets can't be kept",
        // The schema allows one; it may be replaced in the middle of an update.
        kept in globals, limit |_| 16;
}
