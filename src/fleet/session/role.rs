//! What the server is to the database that it serves (ovsdb-server(5), the database `_Server`): alone, the leader or a
//! follower of a RAFT cluster, or a relay. A lock is a server's own, while the data are the cluster's: two daemons on two
//! members may both hold one. So only the leader is written.

use super::{Ended, LockEvent, Noise, Session, Step, lock::Standby};
use crate::{
    config::LockPolicy,
    ovsdb::{
        Raw, RpcError,
        json::{Cursor, JsonError},
    },
    vtep,
};

/// The monitor's id.
pub(super) const MONITOR: &str = "vtepd_server";

/// Parameters of `monitor` (RFC 7047 section 4.1.5).
pub(super) fn params() -> String {
    format!(r#"["_Server","{MONITOR}",{{"Database":{{"columns":["name","model","leader","connected"]}}}}]"#)
}

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Role {
    /// It has no `_Server`, or says nothing of the database.
    #[default]
    Unknown,
    /// It serves the database alone.
    Standalone,
    /// It leads a cluster.
    Leader,
    /// It follows a leader, to which it passes transactions on.
    Follower,
    /// It has lost touch with its cluster.
    Detached,
    /// It passes transactions on to another server, and locks not.
    Relay,
}

// ===== impl Role =====

impl Role {
    /// Reads `<table-updates>`; `None`: they don't concern our database.
    fn read(updates: &mut Cursor<'_>) -> Result<Option<Self>, JsonError> {
        let mut role = None;
        updates.object(|_, table| {
            table.object(|_, row| {
                row.object(|member, columns| match member {
                    "new" => {
                        if let Some(found) = Self::of_row(columns)? {
                            role = Some(found);
                        }
                        Ok(())
                    }
                    _ => columns.skip(),
                })
            })
        })?;
        Ok(role)
    }

    fn of_row(columns: &mut Cursor<'_>) -> Result<Option<Self>, JsonError> {
        let (mut ours, mut leader, mut connected) = (false, false, false);
        let mut model = String::new();
        columns.object(|column, value| {
            match column {
                "name" => ours = value.string()? == vtep::DATABASE,
                "model" => model = value.string()?.into_owned(),
                "leader" => leader = value.boolean()?,
                "connected" => connected = value.boolean()?,
                _ => value.skip()?,
            }
            Ok(())
        })?;
        let role = match model.as_str() {
            "clustered" if leader && connected => Self::Leader,
            "clustered" if connected => Self::Follower,
            "clustered" => Self::Detached,
            "relay" => Self::Relay,
            _ => Self::Standalone,
        };
        Ok(ours.then_some(role))
    }
}

// ===== impl Session =====

impl Session<'_> {
    /// The first reply of `_Server`. Servers before Open vSwitch 2.9 have no such database.
    pub(super) fn role_answered(&mut self, result: Result<Raw, RpcError>) -> Step {
        result.map_or(Ok(()), |raw| self.role_changed(&raw))
    }

    pub(super) fn role_changed(&mut self, updates: &Raw) -> Step {
        let Some(role) = Role::read(&mut updates.cursor())? else { return Ok(()) };
        if role == self.role {
            return Ok(());
        }
        if role != Role::Standalone
            && let Some(left_out) = self.note(Noise::Role)
        {
            tracing::info!(switch = %self.target.names(), ?role, left_out, "what the server is to its database");
        }
        self.role = role;
        // With lock = off the operator decided that nobody else writes.
        let unlocked = self.target.lock_policy() == LockPolicy::Off;
        let (event, standby) = match role {
            Role::Follower if !unlocked => (LockEvent::Following, Standby::Follower),
            Role::Relay if !unlocked => (LockEvent::Relaying, Standby::Relay),
            Role::Detached => (LockEvent::Detached, Standby::Detached),
            Role::Unknown | Role::Standalone | Role::Leader | Role::Follower | Role::Relay => {
                return self.lock_event(&LockEvent::Leading);
            }
        };
        // `_Server` names no other member: the addresses of the name do.
        if self.target.session.addresses > 1 {
            return Err(Ended::NotLeader(standby));
        }
        self.lock_event(&event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(model: &str, leader: bool, connected: bool) -> Option<Role> {
        let row = |name: &str| {
            format!(
                r#"{{"new":{{"name":"{name}","model":"{model}","leader":{leader},"connected":{connected},"index":["set",[]]}}}}"#
            )
        };
        let text = format!(r#"{{"Database":{{"a":{},"b":{}}}}}"#, row("hardware_vtep"), row("_Server"));
        Role::read(&mut Cursor::new(text.as_bytes())).unwrap()
    }

    #[test]
    fn roles_of_ovsdb_server() {
        assert_eq!(role("standalone", true, true), Some(Role::Standalone));
        assert_eq!(role("clustered", true, true), Some(Role::Leader));
        assert_eq!(role("clustered", false, true), Some(Role::Follower));
        assert_eq!(role("clustered", true, false), Some(Role::Detached));
        assert_eq!(role("clustered", false, false), Some(Role::Detached));
        assert_eq!(role("relay", false, true), Some(Role::Relay));
        let read = |text: &str| Role::read(&mut Cursor::new(text.as_bytes()));
        assert_eq!(read("{}").unwrap(), None);
        assert_eq!(read(r#"{"Database":{"a":{"old":{"leader":true}}}}"#).unwrap(), None);
        assert_eq!(read(r#"{"Database":{"a":{"new":{"name":"_Server","leader":true}}}}"#).unwrap(), None);
        assert!(read(r#"{"Database":{"a":{"new":{"name":7}}}}"#).is_err());
    }
}
