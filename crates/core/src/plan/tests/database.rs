//! A model of ovsdb-server with the hardware_vtep schema, as far as our operations go: references, the two indexes, and
//! the collection of locators and sets that nothing refers to. `real.rs` holds the same properties against the real one.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    model::MacAddr,
    vtep::{LocatorRef, LogicalSwitchRef, Operation, Ownership, Replica, ReplicationMode, Touched},
};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogicalSwitch {
    pub(super) name: String,
    pub(super) key: Option<i64>,
    pub(super) mode: Option<&'static str>,
    pub(super) description: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ucast {
    pub(super) mac: String,
    pub(super) ip: String,
    pub(super) ls: Uuid,
    pub(super) locator: Uuid,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mcast {
    pub(super) mac: String,
    pub(super) ls: Uuid,
    pub(super) set: Uuid,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Database {
    /// Physical_Switch: name, tunnel IP, ports.
    pub(super) switches: BTreeMap<Uuid, (String, Ipv4Addr, BTreeSet<Uuid>)>,
    /// Physical_Port: name, bindings.
    pub(super) ports: BTreeMap<Uuid, (String, BTreeMap<u16, Uuid>)>,
    pub(super) logical_switches: BTreeMap<Uuid, LogicalSwitch>,
    pub(super) locators: BTreeMap<Uuid, Ipv4Addr>,
    pub(super) sets: BTreeMap<Uuid, BTreeSet<Uuid>>,
    pub(super) ucast: BTreeMap<Uuid, Ucast>,
    pub(super) mcast: BTreeMap<Uuid, Mcast>,
    /// Ucast_Macs_Local: the Logical_Switch.
    pub(super) locals: BTreeMap<Uuid, Uuid>,
}

/// What a transaction's named UUIDs stand for.
#[derive(Default)]
struct Names {
    logical_switches: BTreeMap<u32, Uuid>,
    locators: BTreeMap<Ipv4Addr, Uuid>,
    sets: BTreeMap<u32, Uuid>,
}

/// The row of a Logical_Switch, and the MACs, multicast rows and bindings that refer to it.
pub(super) type Hanging = (LogicalSwitch, Vec<(Uuid, Ucast)>, Vec<Uuid>, BTreeSet<(Uuid, u16)>);

type Outcome<T = ()> = Result<T, String>;

fn check(condition: bool, error: impl Into<String>) -> Outcome {
    if condition { Ok(()) } else { Err(error.into()) }
}

impl Database {
    /// Commits all operations, or none.
    pub(super) fn transact(&mut self, operations: &[Operation]) -> Outcome {
        let mut next = self.clone();
        let mut names = Names::default();
        for operation in operations {
            next.run(operation, &mut names).map_err(|error| format!("{operation:?}: {error}"))?;
        }
        next.collect();
        next.check_references()?;
        *self = next;
        Ok(())
    }

    fn run(&mut self, operation: &Operation, names: &mut Names) -> Outcome {
        match operation {
            Operation::InsertLogicalSwitch { new, name, vni, replication_mode, description } => {
                let uuid = Uuid::new_v4();
                names.logical_switches.insert(*new, uuid);
                let row = LogicalSwitch {
                    name: name.clone(),
                    key: Some(i64::from(vni.get())),
                    mode: replication_mode.map(ReplicationMode::as_str),
                    description: description.clone().unwrap_or_default(),
                };
                check(self.logical_switches.values().all(|other| other.name != row.name), "constraint violation")?;
                self.logical_switches.insert(uuid, row);
            }
            Operation::UpdateLogicalSwitch { row, vni, replication_mode, description } => {
                let row = self.logical_switches.get_mut(row).ok_or("no such Logical_Switch")?;
                row.key = vni.map(|vni| i64::from(vni.get())).or(row.key);
                row.mode = replication_mode.map(ReplicationMode::as_str).or(row.mode);
                row.description = description.clone().unwrap_or(std::mem::take(&mut row.description));
            }
            Operation::DeleteLogicalSwitch { row } => {
                self.logical_switches.remove(row).ok_or("no such Logical_Switch")?;
            }
            Operation::InsertLocator { ip } => {
                check(!self.locators.values().any(|other| other == ip), "constraint violation")?;
                let uuid = Uuid::new_v4();
                names.locators.insert(*ip, uuid);
                self.locators.insert(uuid, *ip);
            }
            Operation::InsertLocatorSet { new, locators } => {
                check(!locators.is_empty(), "constraint violation: an empty set")?;
                let members: Outcome<BTreeSet<_>> = locators.iter().map(|l| names.locator(*l)).collect();
                let members = members?;
                check(members.len() == locators.len(), "ovsdb error: set contains duplicate")?;
                let uuid = Uuid::new_v4();
                names.sets.insert(*new, uuid);
                self.sets.insert(uuid, members);
            }
            Operation::InsertFlood { logical_switch, set } => {
                let row = Mcast {
                    mac: "unknown-dst".into(),
                    ls: names.logical_switch(*logical_switch)?,
                    set: names.set(*set)?,
                };
                self.mcast.insert(Uuid::new_v4(), row);
            }
            Operation::UpdateFlood { row, set } => {
                self.mcast.get_mut(row).ok_or("no such Mcast_Macs_Remote")?.set = names.set(*set)?;
            }
            Operation::DeleteMulticast { row } => {
                self.mcast.remove(row).ok_or("no such Mcast_Macs_Remote")?;
            }
            Operation::ExpectBindings { port, bindings } => {
                let (_, actual) = self.ports.get(port).ok_or("timed out: no such port")?;
                check(actual == bindings, "timed out")?;
            }
            Operation::Bind { port, delete, insert } => {
                let (_, bindings) = self.ports.get_mut(port).ok_or("no such port")?;
                for vlan in delete {
                    check(bindings.remove(vlan).is_some(), "a VLAN is unbound that isn't bound")?;
                }
                for (vlan, logical_switch) in insert {
                    let logical_switch = names.logical_switch(*logical_switch)?;
                    // The real one ignores it in silence.
                    check(!bindings.contains_key(&vlan.get()), "a VLAN is bound that is bound")?;
                    bindings.insert(vlan.get(), logical_switch);
                }
            }
            Operation::InsertMac { logical_switch, mac, ip, locator } => {
                let row = Ucast {
                    mac: mac.to_string(),
                    ip: ip.map(|ip| ip.to_string()).unwrap_or_default(),
                    ls: names.logical_switch(*logical_switch)?,
                    locator: names.locator(*locator)?,
                };
                // The schema takes duplicates; we must never make one.
                let twin = self.ucast.values().any(|other| other.ls == row.ls && other.mac == row.mac);
                check(!twin, "a duplicate (MAC, Logical_Switch)")?;
                self.ucast.insert(Uuid::new_v4(), row);
            }
            Operation::UpdateMac { row, ip, locator } => {
                let locator = names.locator(*locator)?;
                let row = self.ucast.get_mut(row).ok_or("no such Ucast_Macs_Remote")?;
                row.ip = ip.map(|ip| ip.to_string()).unwrap_or_default();
                row.locator = locator;
            }
            Operation::ConfigureTunnel { .. } | Operation::InsertManager { .. } | Operation::ReferManagers { .. } => {
                unreachable!("the scenario asks for none of them")
            }
            Operation::DeleteMac { row } => {
                self.ucast.remove(row).ok_or("no such Ucast_Macs_Remote")?;
            }
        }
        Ok(())
    }

    /// Drops rows of tables that aren't roots and that nothing refers to.
    fn collect(&mut self) {
        let used: BTreeSet<Uuid> = self.mcast.values().map(|row| row.set).collect();
        self.sets.retain(|uuid, _| used.contains(uuid));
        let members = self.sets.values().flatten().copied();
        let used: BTreeSet<Uuid> = self.ucast.values().map(|row| row.locator).chain(members).collect();
        self.locators.retain(|uuid, _| used.contains(uuid));
    }

    fn check_references(&self) -> Outcome {
        let bound = self.ports.values().flat_map(|(_, bindings)| bindings.values());
        let learned = self.locals.values();
        let macs = self.ucast.values().map(|row| &row.ls).chain(self.mcast.values().map(|row| &row.ls));
        for ls in bound.chain(learned).chain(macs) {
            check(self.logical_switches.contains_key(ls), "referential integrity violation: Logical_Switch")?;
        }
        let members = self.sets.values().flatten();
        for locator in self.ucast.values().map(|row| &row.locator).chain(members) {
            check(self.locators.contains_key(locator), "referential integrity violation: Physical_Locator")?;
        }
        let sets_hold = self.mcast.values().all(|row| self.sets.contains_key(&row.set));
        check(sets_hold, "referential integrity violation: Physical_Locator_Set")
    }

    /// What a monitor would send of all rows.
    pub(super) fn replica(&self) -> Replica {
        self.replica_of(Ownership::new("vtepd", &["old".to_owned()]))
    }

    /// The same, with other rows being ours.
    pub(super) fn replica_of(&self, ownership: Ownership) -> Replica {
        let reference = |uuid: &Uuid| json!(["uuid", uuid.to_string()]);
        let set = |uuids: &BTreeSet<Uuid>| json!(["set", uuids.iter().map(reference).collect::<Vec<_>>()]);
        let optional = |value: Option<Value>| value.unwrap_or(json!(["set", []]));
        let mut tables = Map::new();
        let mut table = |name: &str, rows: Vec<(Uuid, Value)>| {
            let rows = rows.into_iter().map(|(uuid, row)| (uuid.to_string(), json!({ "new": row }))).collect();
            tables.insert(name.into(), Value::Object(rows));
        };
        table(
            "Physical_Switch",
            rows(
                &self.switches,
                |(name, ip, ports)| json!({"name": name, "tunnel_ips": ip.to_string(), "ports": set(ports)}),
            ),
        );
        table(
            "Physical_Port",
            rows(&self.ports, |(name, bindings)| {
                let bindings: Vec<_> = bindings.iter().map(|(vlan, ls)| json!([vlan, reference(ls)])).collect();
                json!({"name": name, "vlan_bindings": ["map", bindings]})
            }),
        );
        table(
            "Logical_Switch",
            rows(&self.logical_switches, |row| {
                json!({
                    "name": row.name, "description": row.description,
                    "tunnel_key": optional(row.key.map(Value::from)), "replication_mode": optional(row.mode.map(Value::from)),
                })
            }),
        );
        table(
            "Physical_Locator",
            rows(&self.locators, |ip| json!({"dst_ip": ip.to_string(), "encapsulation_type": "vxlan_over_ipv4"})),
        );
        table("Physical_Locator_Set", rows(&self.sets, |members| json!({"locators": set(members)})));
        table(
            "Ucast_Macs_Remote",
            rows(&self.ucast, |row| {
                json!({
                    "MAC": row.mac, "ipaddr": row.ip, "logical_switch": reference(&row.ls), "locator": reference(&row.locator),
                })
            }),
        );
        table(
            "Mcast_Macs_Remote",
            rows(&self.mcast, |row| {
                json!({
                    "MAC": row.mac, "logical_switch": reference(&row.ls), "locator_set": reference(&row.set),
                })
            }),
        );
        table("Ucast_Macs_Local", rows(&self.locals, |ls| json!({"logical_switch": reference(ls)})));
        let mut replica = Replica::new(ownership);
        replica.apply(Value::Object(tables).to_string().as_bytes(), &mut Touched::default()).unwrap();
        replica
    }

    pub(super) fn ls_named(&self, name: &str) -> Option<Uuid> {
        self.logical_switches.iter().find(|(_, row)| row.name == name).map(|(uuid, _)| *uuid)
    }

    pub(super) fn macs_of(&self, ls: Uuid) -> BTreeMap<MacAddr, (String, Ipv4Addr)> {
        let rows = self.ucast.values().filter(|row| row.ls == ls);
        rows.map(|row| (row.mac.parse().unwrap(), (row.ip.clone(), self.locators[&row.locator]))).collect()
    }

    pub(super) fn flood_of(&self, ls: Uuid) -> Option<BTreeSet<Ipv4Addr>> {
        let rows: Vec<_> = self.mcast.values().filter(|row| row.ls == ls).collect();
        assert!(rows.len() <= 1 && rows.iter().all(|row| row.mac == "unknown-dst"), "{rows:?}");
        rows.first().map(|row| self.sets[&row.set].iter().map(|locator| self.locators[locator]).collect())
    }

    /// Pairs of Logical_Switches with one VNI, of which one at least is ours.
    pub(super) fn shared_vnis(&self) -> BTreeSet<(Uuid, Uuid)> {
        let ownership = Ownership::new("vtepd", &["old".to_owned()]);
        let is_ours = |row: &LogicalSwitch| ownership.owner(&row.name).0.network().is_some();
        let mut pairs = BTreeSet::new();
        for (one, row) in &self.logical_switches {
            let same = |other: &LogicalSwitch| row.key.is_some() && other.key == row.key;
            let others = self.logical_switches.iter().filter(|(other, of)| one < *other && same(of));
            pairs.extend(others.filter(|(_, of)| is_ours(row) || is_ours(of)).map(|(other, _)| (*one, *other)));
        }
        pairs
    }

    /// The rows that hang on a Logical_Switch, in a comparable form.
    pub(super) fn hanging_on(&self, ls: Uuid) -> Hanging {
        let macs = self.ucast.iter().filter(|(_, row)| row.ls == ls).map(|(uuid, row)| (*uuid, row.clone())).collect();
        let mcast = self.mcast.iter().filter(|(_, row)| row.ls == ls).map(|(uuid, _)| *uuid).collect();
        (self.logical_switches[&ls].clone(), macs, mcast, self.bound_to(ls))
    }

    pub(super) fn bound_to(&self, ls: Uuid) -> BTreeSet<(Uuid, u16)> {
        let bound = |(port, (_, bindings)): (&Uuid, &(String, BTreeMap<u16, Uuid>))| {
            bindings.iter().filter(|(_, to)| **to == ls).map(|(vlan, _)| (*port, *vlan)).collect::<Vec<_>>()
        };
        self.ports.iter().flat_map(bound).collect()
    }
}

fn rows<T>(rows: &BTreeMap<Uuid, T>, json: impl Fn(&T) -> Value) -> Vec<(Uuid, Value)> {
    rows.iter().map(|(uuid, row)| (*uuid, json(row))).collect()
}

impl Names {
    fn logical_switch(&self, reference: LogicalSwitchRef) -> Outcome<Uuid> {
        match reference {
            LogicalSwitchRef::Row(uuid) => Ok(uuid),
            LogicalSwitchRef::New(new) => self.logical_switches.get(&new).copied().ok_or("unknown named-uuid".into()),
        }
    }

    fn locator(&self, reference: LocatorRef) -> Outcome<Uuid> {
        match reference {
            LocatorRef::Row(uuid) => Ok(uuid),
            LocatorRef::New(ip) => self.locators.get(&ip).copied().ok_or("unknown named-uuid".into()),
        }
    }

    fn set(&self, new: u32) -> Outcome<Uuid> {
        self.sets.get(&new).copied().ok_or("unknown named-uuid".into())
    }
}
