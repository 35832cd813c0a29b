//! What another database dictates: rows that come with identities of their own, many at once, and networks that vanish
//! although they are connected.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::{
    Read, Write, bulk,
    codec::NewPortRow,
    sql::{Columns, Result, query},
};
use crate::model::{Change, EndpointId, Network, NetworkId, Port, PortId, TunnelEndpoint};

impl Read {
    /// Whether the network was deleted by its source while it was connected.
    pub async fn network_is_gone(&mut self, id: NetworkId) -> Result<bool> {
        let gone = query("SELECT id FROM networks WHERE id = $1 AND gone = 1").bind(id.to_string());
        Ok(self.optional(gone).await?.is_some())
    }

    /// Whether connections of the network bind: it is there, and has a VXLAN segment.
    pub async fn network_binds(&mut self, id: NetworkId) -> Result<bool> {
        let binds = query("SELECT id FROM networks WHERE id = $1 AND vni IS NOT NULL").bind(id.to_string());
        Ok(self.optional(binds).await?.is_some())
    }

    /// The hosts whose tunnel endpoints a source dictates.
    pub async fn sourced_hosts(&mut self) -> Result<BTreeSet<String>> {
        let rows = self.all(query("SELECT host FROM tunnel_endpoints WHERE sourced = 1")).await?;
        rows.iter().map(|row| Columns::of("tunnel_endpoints.host", row).string()).collect()
    }

    /// How many ports these hosts have.
    pub async fn ports_of_hosts(&mut self, hosts: &BTreeSet<String>) -> Result<u64> {
        let row = self.one(query(bulk::PORTS_OF_HOSTS).bind(bulk::json(hosts)?)).await?;
        Columns::of("ports", &row).count()
    }
}

impl Write {
    /// Adds a network or writes the one that has this identity, VNI included. Its connections bind for as long as it
    /// has a VNI: without one it is to switches as if it were gone, and with one it is back.
    pub async fn put_network(&mut self, network: &Network) -> Result<()> {
        let (bound, binds) = (self.network_binds(network.id).await?, network.vni.is_some());
        let update = query("UPDATE networks SET name = $1, tenant_id = $2, vni = $3, gone = 0 WHERE id = $4")
            .bind(network.name.clone())
            .bind(network.tenant_id.clone())
            .bind(network.vni.map(|vni| i64::from(vni.get())))
            .bind(network.id.to_string());
        if self.run(update).await? == 0 {
            return self.insert_network(network).await;
        }
        self.changes.push(Change::NetworkSet(network.clone()));
        if bound == binds {
            return Ok(());
        }
        let connections = self.connections_of_network(network.id).await?.into_iter();
        if binds {
            self.changes.extend(connections.map(Change::ConnectionSet));
        } else {
            self.changes.extend(connections.map(|connection| Change::ConnectionRemoved(connection.id)));
        }
        Ok(())
    }

    /// Removes a network that has no ports. While it is connected its row stays, as gone: its connections can be shown
    /// and deleted, and bind nothing.
    pub async fn retire_network(&mut self, id: NetworkId) -> Result<()> {
        let connections = self.connections_of_network(id).await?;
        if connections.is_empty() {
            return self.remove_network(id).await;
        }
        self.run(query("UPDATE networks SET vni = NULL, gone = 1 WHERE id = $1").bind(id.to_string())).await?;
        let unbound = connections.iter().map(|connection| Change::ConnectionRemoved(connection.id));
        self.changes.extend(unbound);
        self.changes.push(Change::NetworkRemoved(id));
        Ok(())
    }

    /// Forgets a network that is gone and has no connection left.
    pub async fn forget_gone_network(&mut self, id: NetworkId) -> Result<()> {
        if self.network_is_gone(id).await? && self.connections_of_network(id).await?.is_empty() {
            self.run(query("DELETE FROM networks WHERE id = $1").bind(id.to_string())).await?;
        }
        Ok(())
    }

    /// Adds these ports or writes those that have their identities, networks and MACs included.
    pub async fn put_ports(&mut self, ports: &[Port]) -> Result<()> {
        let ids: Vec<_> = ports.iter().map(|port| port.id).collect();
        // All at once: MACs may have been exchanged among them.
        self.run(query(bulk::DELETE_PORTS).bind(bulk::json(&ids)?)).await?;
        let rows = ports.iter().map(NewPortRow::sourced).collect::<Result<Vec<_>>>()?;
        self.run(query(bulk::INSERT_PORTS).bind(bulk::json(&rows)?)).await?;
        self.changes.extend(ports.iter().cloned().map(Change::PortSet));
        Ok(())
    }

    /// Removes those of these ports that are there.
    pub async fn remove_ports(&mut self, ids: &[PortId]) -> Result<()> {
        self.run(query(bulk::DELETE_PORTS).bind(bulk::json(ids)?)).await?;
        self.changes.extend(ids.iter().copied().map(Change::PortRemoved));
        Ok(())
    }

    /// Writes the tunnel endpoint of a host as its source dictates, even where another wrote it.
    pub async fn put_endpoint(&mut self, host: &str, ip: Ipv4Addr) -> Result<()> {
        match self.endpoint_of(host).await? {
            Some(endpoint) if endpoint.ip == ip => {}
            Some(endpoint) => self.update_endpoint(&TunnelEndpoint { ip, ..endpoint }).await?,
            None => {
                let endpoint = TunnelEndpoint { id: EndpointId::random(), host: host.to_owned(), ip };
                self.insert_endpoint(&endpoint).await?;
            }
        }
        self.run(query("UPDATE tunnel_endpoints SET sourced = 1 WHERE host = $1").bind(host.to_owned())).await?;
        Ok(())
    }
}
