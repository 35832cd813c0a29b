//! Which Logical_Switches are ours: those called `<deployment>-<network UUID>`, and those of earlier prefixes
//! (architecture rule 5). All other rows are foreign and never changed.

use uuid::Uuid;

use crate::model::NetworkId;

/// The names that we own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ownership {
    /// With the hyphen; our own first. An empty one means the bare UUIDs of networking-l2gw.
    prefixes: Vec<String>,
}

/// The owner of a Logical_Switch, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Owner {
    /// Foreign.
    #[default]
    Foreign,
    /// Ours, of this network.
    Ours(NetworkId),
    /// The bare UUID that networking-l2gw wrote: ours if we know the network.
    Adoptable(NetworkId),
}

// ===== impl Owner =====

impl Owner {
    /// The network that the name names.
    #[must_use]
    pub const fn network(self) -> Option<NetworkId> {
        match self {
            Owner::Foreign => None,
            Owner::Ours(network) | Owner::Adoptable(network) => Some(network),
        }
    }
}

// ===== impl Ownership =====

impl Ownership {
    /// Names of this deployment, and of those that it replaced.
    #[must_use]
    pub fn new(deployment: &str, previous: &[String]) -> Self {
        let with_hyphen = |prefix: &String| if prefix.is_empty() { String::new() } else { format!("{prefix}-") };
        let own = deployment.to_owned();
        Self { prefixes: std::iter::once(&own).chain(previous).map(with_hyphen).collect() }
    }

    /// What we call the Logical_Switch of a network.
    #[must_use]
    pub fn name(&self, network: NetworkId) -> String {
        self.prefixes.first().map_or_else(String::new, |prefix| format!("{prefix}{network}"))
    }

    /// The owner of the Logical_Switch of this name, and the rank of its prefix (0: our own).
    #[must_use]
    pub fn owner(&self, name: &str) -> (Owner, usize) {
        let owned = self.prefixes.iter().enumerate().find_map(|(rank, prefix)| {
            let rest = name.strip_prefix(prefix.as_str())?;
            // Exactly as we write it: another controller wrote an upper-case or braced UUID.
            let network =
                Uuid::try_parse(rest).ok().filter(|uuid| uuid.hyphenated().to_string() == rest).map(NetworkId)?;
            Some((if prefix.is_empty() { Owner::Adoptable(network) } else { Owner::Ours(network) }, rank))
        });
        owned.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ours_only_in_the_form_that_we_write() {
        let network = NetworkId::random();
        let ownership = Ownership::new("vtepd", &["old".into(), String::new()]);
        assert_eq!(ownership.name(network), format!("vtepd-{network}"));
        assert_eq!(ownership.owner(&format!("vtepd-{network}")), (Owner::Ours(network), 0));
        assert_eq!(ownership.owner(&format!("old-{network}")), (Owner::Ours(network), 1));
        assert_eq!(ownership.owner(&network.to_string()), (Owner::Adoptable(network), 2));
        for name in [
            format!("VTEPD-{network}"),
            format!("vtepd-{network}x"),
            format!("vtepd-{}", network.to_string().to_uppercase()),
            format!("vtepd-{}", network.0.simple()),
            format!("vtepd2-{network}"),
            "vtepd-".into(),
            "ls0".into(),
            String::new(),
        ] {
            assert_eq!(ownership.owner(&name).0, Owner::Foreign, "{name}");
        }
        let without = Ownership::new("vtepd", &[]);
        assert_eq!(without.owner(&network.to_string()).0, Owner::Foreign);
        assert_eq!(Ownership::default().owner(&format!("vtepd-{network}")).0, Owner::Foreign);
    }
}
