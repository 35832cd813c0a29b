//! Tunnel endpoints: the VTEP of each compute node.

use std::net::{IpAddr, Ipv4Addr};

use super::{Dialect, EndpointDraft, Result, Service, ServiceError, rules};
use crate::{
    model::{EndpointId, TunnelEndpoint, check_vtep},
    store::{Read, Write},
};

impl Service {
    /// Creates the tunnel endpoint of a compute node.
    pub async fn create_endpoint(&self, draft: EndpointDraft) -> Result<TunnelEndpoint> {
        let endpoint = build(draft, "")?;
        self.store.write(move |write| Box::pin(insert(write, endpoint))).await
    }

    /// Creates all of these tunnel endpoints, or none.
    pub async fn create_endpoints(&self, drafts: Vec<EndpointDraft>) -> Result<Vec<TunnelEndpoint>> {
        let build = |(i, draft)| build(draft, &format!("tunnel_endpoints[{i}]."));
        let endpoints = drafts.into_iter().enumerate().map(build).collect::<Result<Vec<_>>>()?;
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let mut created = Vec::with_capacity(endpoints.len());
                    for endpoint in endpoints {
                        created.push(insert(write, endpoint).await?);
                    }
                    Ok(created)
                })
            })
            .await
    }

    /// All tunnel endpoints, in the order of their ids.
    pub async fn endpoints(&self) -> Result<Vec<TunnelEndpoint>> {
        Ok(self.store.snapshot().await?.endpoints().await?)
    }

    /// One tunnel endpoint by UUID or, in `/v2`, by host.
    pub async fn endpoint(&self, dialect: Dialect, key: &str) -> Result<TunnelEndpoint> {
        find(&mut self.store.snapshot().await?, dialect, key).await
    }

    /// Gives a compute node another VTEP address.
    pub async fn update_endpoint(&self, dialect: Dialect, key: &str, ip: IpAddr) -> Result<TunnelEndpoint> {
        let ip = vtep("ip_address", ip)?;
        let (key, service) = (key.to_owned(), self.clone());
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let mut endpoint = find(write, dialect, &key).await?;
                    service.may_write_endpoint(write, &endpoint.host).await?;
                    if endpoint.ip != ip {
                        endpoint.ip = ip;
                        write.update_endpoint(&endpoint).await?;
                    }
                    Ok(endpoint)
                })
            })
            .await
    }

    /// Deletes a tunnel endpoint: its host's ports leave the switches.
    pub async fn delete_endpoint(&self, dialect: Dialect, key: &str) -> Result<()> {
        let (key, service) = (key.to_owned(), self.clone());
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let endpoint = find(write, dialect, &key).await?;
                    service.may_write_endpoint(write, &endpoint.host).await?;
                    Ok(write.remove_endpoint(endpoint.id, &endpoint.host).await?)
                })
            })
            .await
    }
}

fn build(draft: EndpointDraft, at: &str) -> Result<TunnelEndpoint> {
    rules::name(&format!("{at}host"), &draft.host, rules::NAME)?;
    let ip = vtep(&format!("{at}ip_address"), draft.ip)?;
    Ok(TunnelEndpoint { id: EndpointId::random(), host: draft.host, ip })
}

/// An address that a VXLAN packet can be sent to.
fn vtep(field: &str, ip: IpAddr) -> Result<Ipv4Addr> {
    check_vtep(ip).map_err(|problem| match ip {
        IpAddr::V6(ip) => ServiceError::Ipv6Endpoint { ip },
        IpAddr::V4(ip) => rules::invalid(field, format!("{ip} {problem}: give the VTEP's own address")),
    })
}

async fn insert(write: &mut Write, endpoint: TunnelEndpoint) -> Result<TunnelEndpoint> {
    if let Some(other) = write.endpoint_of(&endpoint.host).await? {
        return Err(ServiceError::EndpointExists { host: other.host, endpoint: other.id });
    }
    write.insert_endpoint(&endpoint).await?;
    Ok(endpoint)
}

async fn find(read: &mut Read, dialect: Dialect, key: &str) -> Result<TunnelEndpoint> {
    let missing = || ServiceError::EndpointNotFound(key.to_owned());
    if let Some(id) = rules::uuid(key)
        && let Some(endpoint) = read.endpoint(EndpointId(id)).await?
    {
        return Ok(endpoint);
    }
    let named = read.endpoint_of(key).await?;
    match dialect {
        Dialect::Neutron => {
            let ids: Vec<_> = named.iter().map(|endpoint| endpoint.id).collect();
            Err(rules::no_uuid(key, &ids, missing()))
        }
        Dialect::Specification => named.ok_or_else(missing),
    }
}
