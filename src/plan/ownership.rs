//! Which Logical_Switches are ours: those called `<deployment>-<network UUID>`, and those of earlier prefixes
//! (architecture rule 5). All other rows are foreign and never changed.

use uuid::Uuid;

use crate::model::NetworkId;

/// The names that we own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// With the hyphen; our own first. An empty one stands for the bare UUIDs of networking-l2gw.
    prefixes: Vec<String>,
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
        self.names(network).next().unwrap_or_default()
    }

    /// All names that the Logical_Switch of a network may bear; ours first.
    pub fn names(&self, network: NetworkId) -> impl Iterator<Item = String> {
        self.prefixes.iter().map(move |prefix| format!("{prefix}{network}"))
    }

    /// The network whose Logical_Switch bears this name, if it is ours. `adopts` tells whether the bare UUID of a
    /// network may be taken over.
    pub fn network(&self, name: &str, adopts: impl Fn(NetworkId) -> bool) -> Option<NetworkId> {
        self.prefixes.iter().find_map(|prefix| {
            let rest = name.strip_prefix(prefix.as_str())?;
            // Exactly as we write it: an upper-case or braced UUID is somebody else's hand.
            let network =
                Uuid::try_parse(rest).ok().filter(|uuid| uuid.hyphenated().to_string() == rest).map(NetworkId)?;
            (!prefix.is_empty() || adopts(network)).then_some(network)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ours_only_in_the_form_that_we_write() {
        let network = NetworkId::random();
        let ownership = Ownership::new("vtepd", &["old".into(), String::new()]);
        let yes = |_| true;
        assert_eq!(ownership.name(network), format!("vtepd-{network}"));
        assert_eq!(ownership.names(network).count(), 3);
        for name in [format!("vtepd-{network}"), format!("old-{network}"), network.to_string()] {
            assert_eq!(ownership.network(&name, yes), Some(network), "{name}");
        }
        assert_eq!(ownership.network(&network.to_string(), |_| false), None);
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
            assert_eq!(ownership.network(&name, yes), None, "{name}");
        }
        let without = Ownership::new("vtepd", &[]);
        assert_eq!(without.network(&network.to_string(), yes), None);
    }
}
