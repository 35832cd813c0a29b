//! What `gateway update` changes at which device: the order of the options says it.
//!
//! ```text
//!   --device name=tor-1 --add-interface E41:50 --device name=tor-2 --remove-interface E42
//! ```

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, error::ErrorKind};
use serde_json::{Value, json};

use super::device::{Device, Interface};

/// Edits in groups, one a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Edits(Vec<Group>);

/// Edits of one device; of all of the gateway's devices where none is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Group {
    device: Option<String>,
    add: Vec<Interface>,
    remove: Vec<String>,
}

enum Word {
    Device(String),
    Add(Interface),
    Remove(String),
}

// ===== impl Edits =====

impl Edits {
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|group| group.add.is_empty() && group.remove.is_empty())
    }

    /// The devices that are named.
    pub(super) fn devices(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|group| group.device.as_deref())
    }

    /// The interfaces that each device gets. `all` are the gateway's devices.
    pub(super) fn added<'e>(&'e self, all: &'e [String]) -> Vec<(&'e str, &'e [Interface])> {
        let each =
            self.0.iter().flat_map(|group| group.of(all).into_iter().map(|device| (device, group.add.as_slice())));
        each.filter(|(_, added)| !added.is_empty()).collect()
    }

    /// As `/v2` has it.
    pub(super) fn json(&self, all: &[String]) -> Value {
        let mut devices = Vec::new();
        let mut anywhere = Vec::new();
        for group in &self.0 {
            let added: Vec<Value> = group.add.iter().map(Interface::json).collect();
            let removed: Vec<Value> = group.remove.iter().map(|name| json!({"name": name})).collect();
            for device in group.of(all) {
                let mut entry = json!({"device_name": device});
                if !added.is_empty() {
                    entry["new_interfaces"] = json!(added);
                }
                if !removed.is_empty() && group.device.is_some() {
                    entry["deleted_interfaces"] = json!(removed);
                }
                devices.push(entry);
            }
            if group.device.is_none() {
                // From each device that has it.
                anywhere.extend(removed);
            }
        }
        let mut body = json!({"devices": devices});
        if !anywhere.is_empty() {
            body["deleted_interfaces"] = json!(anywhere);
        }
        body
    }

    fn in_order(words: Vec<Word>) -> Result<Self, String> {
        let devices = words.iter().filter(|word| matches!(word, Word::Device(_))).count();
        let mut groups: Vec<Group> = Vec::new();
        for word in words {
            match word {
                Word::Device(name) => match groups.iter().position(|group| group.device.as_ref() == Some(&name)) {
                    Some(known) => {
                        let group = groups.remove(known);
                        groups.push(group);
                    }
                    // With a single device, its edits may stand before it, too.
                    None if devices == 1 && !groups.is_empty() => groups[0].device = Some(name),
                    None => groups.push(Group { device: Some(name), ..Group::default() }),
                },
                Word::Add(_) | Word::Remove(_) if groups.is_empty() && devices > 1 => {
                    return Err(
                        "an edit stands before the first --device: put it behind the device that it changes".to_owned()
                    );
                }
                edit => {
                    if groups.is_empty() {
                        groups.push(Group::default());
                    }
                    let Some(group) = groups.last_mut() else { continue };
                    match edit {
                        Word::Add(interface) => group.add.push(interface),
                        Word::Remove(name) => group.remove.push(name),
                        Word::Device(_) => {}
                    }
                }
            }
        }
        let idle = groups.iter().find(|group| group.add.is_empty() && group.remove.is_empty());
        if let Some(Group { device: Some(device), .. }) = idle {
            return Err(format!(
                "--device name={device} has no edit behind it: put --add-interface or --remove-interface behind each device"
            ));
        }
        Ok(Self(groups))
    }
}

impl Group {
    fn of<'g>(&'g self, all: &'g [String]) -> Vec<&'g str> {
        match &self.device {
            Some(device) => vec![device],
            None if self.add.is_empty() => Vec::new(),
            None => all.iter().map(String::as_str).collect(),
        }
    }
}

// ===== clap =====

// Derived parsers forget the order of different options, and here it has a meaning.
impl Args for Edits {
    fn augment_args(command: Command) -> Command {
        let option = |name: &'static str, value: &'static str| {
            Arg::new(name).long(name).value_name(value).action(ArgAction::Append)
        };
        command
            .arg(option("device", "name=SWITCH").value_parser(Device::parse_name).help(
                "The switch that the edits behind it change: name=SWITCH. Without it an interface is added to all switches of \
                 the gateway, and removed from each that has it",
            ))
            .arg(
                option("add-interface", "INTERFACE")
                    .value_parser(Interface::parse)
                    .help("Adds an interface, or VLANs to one that is there: PORT[:VLAN,…]"),
            )
            .arg(option("remove-interface", "PORT").help("Removes an interface"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Edits {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut words: Vec<(usize, Word)> = Vec::new();
        let at = |name: &str| matches.indices_of(name).into_iter().flatten();
        let devices = matches.get_many::<String>("device").into_iter().flatten().cloned();
        words.extend(at("device").zip(devices.map(Word::Device)));
        let added = matches.get_many::<Interface>("add-interface").into_iter().flatten().cloned();
        words.extend(at("add-interface").zip(added.map(Word::Add)));
        let removed = matches.get_many::<String>("remove-interface").into_iter().flatten().cloned();
        words.extend(at("remove-interface").zip(removed.map(Word::Remove)));
        words.sort_by_key(|(index, _)| *index);
        let words = words.into_iter().map(|(_, word)| word).collect();
        Self::in_order(words).map_err(|why| clap::Error::raw(ErrorKind::ValueValidation, format!("{why}\n")))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Edits, String> {
        let command = Edits::augment_args(Command::new("update").no_binary_name(true));
        let matches = command.try_get_matches_from(words).map_err(|error| error.to_string())?;
        Edits::from_arg_matches(&matches).map_err(|error| error.to_string())
    }

    #[test]
    fn an_edit_changes_the_device_before_it() {
        let all = ["a".to_owned(), "b".to_owned()];
        let edits = parse(&[
            "--device",
            "name=a",
            "--add-interface",
            "e1:5",
            "--add-interface",
            "e2",
            "--device",
            "name=b",
            "--remove-interface",
            "e3",
        ]);
        let edits = edits.unwrap();
        let expected = json!({"devices": [
            {"device_name": "a", "new_interfaces": [{"name": "e1", "segmentation-id": [5]}, {"name": "e2", "segmentation-id": []}]},
            {"device_name": "b", "deleted_interfaces": [{"name": "e3"}]},
        ]});
        assert_eq!(edits.json(&all), expected);
        assert_eq!(edits.added(&all).len(), 1);
        assert_eq!(edits.devices().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn without_a_device_all_get_it_and_each_loses_it() {
        let all = ["a".to_owned(), "b".to_owned()];
        let edits = parse(&["--add-interface", "e1", "--remove-interface", "e2"]).unwrap();
        let new = json!([{"name": "e1", "segmentation-id": []}]);
        let expected = json!({
            "devices": [{"device_name": "a", "new_interfaces": new}, {"device_name": "b", "new_interfaces": new}],
            "deleted_interfaces": [{"name": "e2"}],
        });
        assert_eq!(edits.json(&all), expected);
        let edits = parse(&["--remove-interface", "e2"]).unwrap();
        assert_eq!(edits.json(&all), json!({"devices": [], "deleted_interfaces": [{"name": "e2"}]}));
        assert!(parse(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_single_device_may_stand_anywhere() {
        let before = parse(&["--device", "name=a", "--add-interface", "e1"]).unwrap();
        let behind = parse(&["--add-interface", "e1", "--device", "name=a"]).unwrap();
        assert_eq!(before, behind);
    }

    #[test]
    fn what_belongs_to_no_device_is_refused() {
        let two = ["--device", "name=a", "--device", "name=b", "--add-interface", "e1"];
        assert!(parse(&two).unwrap_err().contains("--device name=a has no edit behind it"));
        let early = ["--add-interface", "e1", "--device", "name=a", "--add-interface", "e2", "--device", "name=b"];
        assert!(parse(&early).unwrap_err().contains("stands before the first --device"));
    }
}
