//! Tags of networks, subnets and ports: words of clients, by which they find them again.

use super::{
    Caller, Dialect, Result, Service, ServiceError, ports,
    rules::{self, invalid},
    subnets,
};
use crate::store::{Attributes, Read, Stamp, TAG, TAGS, Write};

/// What has tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tagged {
    /// A network.
    Network,
    /// A subnet.
    Subnet,
    /// A port.
    Port,
}

impl Service {
    /// The tags of an object.
    pub async fn tags(&self, caller: &Caller, kind: Tagged, id: &str) -> Result<Vec<String>> {
        let view = &mut self.store.snapshot().await?;
        Ok(attributes(view, caller, kind, id).await?.tags())
    }

    /// Gives an object these tags instead of those that it has.
    pub async fn set_tags(&self, caller: &Caller, kind: Tagged, id: &str, tags: Vec<String>) -> Result<Vec<String>> {
        let tags = check(tags)?;
        self.change_tags(caller, kind, id, |_| Ok(tags)).await
    }

    /// Gives an object one more tag.
    pub async fn add_tag(&self, caller: &Caller, kind: Tagged, id: &str, tag: &str) -> Result<Vec<String>> {
        let tag = tag.to_owned();
        let add = |mut tags: Vec<String>| {
            tags.push(tag);
            check(tags)
        };
        self.change_tags(caller, kind, id, add).await
    }

    /// Takes a tag from an object that has it.
    pub async fn remove_tag(&self, caller: &Caller, kind: Tagged, id: &str, tag: &str) -> Result<Vec<String>> {
        let tag = tag.to_owned();
        let remove = |mut tags: Vec<String>| match tags.iter().position(|one| *one == tag) {
            None => Err(ServiceError::TagNotFound(tag)),
            Some(place) => {
                tags.remove(place);
                Ok(tags)
            }
        };
        self.change_tags(caller, kind, id, remove).await
    }

    async fn change_tags(
        &self,
        caller: &Caller,
        kind: Tagged,
        id: &str,
        change: impl FnOnce(Vec<String>) -> Result<Vec<String>> + Send + 'static,
    ) -> Result<Vec<String>> {
        self.may_write()?;
        let (caller, id) = (caller.clone(), id.to_owned());
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let old = attributes(write, &caller, kind, &id).await?.tags();
                    let new = change(old.clone())?;
                    if new != old {
                        annotate(write, &caller, kind, &id, new.clone()).await?;
                    }
                    Ok(new)
                })
            })
            .await
    }
}

async fn attributes(read: &mut Read, caller: &Caller, kind: Tagged, id: &str) -> Result<Attributes> {
    Ok(match kind {
        Tagged::Network => rules::network(read, Dialect::Neutron, id).await?.attributes,
        Tagged::Subnet => subnets::find(read, id).await?.attributes,
        Tagged::Port => ports::find_of(read, caller, id).await?.attributes,
    })
}

async fn annotate(write: &mut Write, caller: &Caller, kind: Tagged, id: &str, tags: Vec<String>) -> Result<()> {
    let change = |attributes: &mut Attributes, stamp: &mut Stamp| {
        attributes.set_tags(tags);
        *stamp = stamp.again();
    };
    match kind {
        Tagged::Network => {
            let mut network = rules::network(write, Dialect::Neutron, id).await?;
            change(&mut network.attributes, &mut network.stamp);
            write.annotate_network(&network).await?;
        }
        Tagged::Subnet => {
            let mut subnet = subnets::find(write, id).await?;
            change(&mut subnet.attributes, &mut subnet.stamp);
            write.annotate_subnet(&subnet).await?;
        }
        Tagged::Port => {
            let mut port = ports::find_of(write, caller, id).await?;
            change(&mut port.attributes, &mut port.stamp);
            write.annotate_port(&port).await?;
        }
    }
    Ok(())
}

/// The tags, each once, if an object can have them.
fn check(tags: Vec<String>) -> Result<Vec<String>> {
    let mut kept: Vec<String> = Vec::new();
    for tag in tags {
        rules::name("tags", &tag, TAG)?;
        if kept.len() == TAGS && !kept.contains(&tag) {
            return Err(invalid("tags", format!("are more than {TAGS}")));
        }
        if !kept.contains(&tag) {
            kept.push(tag);
        }
    }
    Ok(kept)
}
