//! Subnets, and the addresses that ports get of them.

use serde_json::{Value, json};

use super::harness::{Answer, Api};

struct Net {
    api: Api,
    id: String,
}

impl Net {
    async fn new() -> Self {
        let api = Api::new().await;
        let network = api.post("/v2.0/networks", &json!({"network": {"name": "n"}})).await.expect(201);
        let id = network["network"]["id"].as_str().unwrap().to_owned();
        Self { api, id }
    }

    async fn post_subnet(&self, mut body: Value) -> Answer {
        body["network_id"] = json!(self.id);
        self.api.post("/v2.0/subnets", &json!({"subnet": body})).await
    }

    async fn subnet(&self, body: Value) -> Value {
        self.post_subnet(body).await.expect(201)["subnet"].clone()
    }

    async fn post_port(&self, mut body: Value) -> Answer {
        body["network_id"] = json!(self.id);
        self.api.post("/v2.0/ports", &json!({"port": body})).await
    }

    async fn port(&self, body: Value) -> Value {
        self.post_port(body).await.expect(201)["port"].clone()
    }
}

fn ips(port: &Value) -> Vec<&str> {
    port["fixed_ips"].as_array().unwrap().iter().map(|fixed| fixed["ip_address"].as_str().unwrap()).collect()
}

fn path(collection: &str, object: &Value) -> String {
    format!("/v2.0/{collection}/{}", object["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_subnet_is_created_as_neutron_does() {
    let net = Net::new().await;
    let subnet = net.subnet(json!({"cidr": "10.0.0.7/24", "ip_version": 4, "name": "s", "project_id": "p"})).await;
    for (member, value) in [
        ("name", json!("s")),
        ("tenant_id", json!("p")),
        ("cidr", json!("10.0.0.0/24")),
        ("ip_version", json!(4)),
        ("gateway_ip", json!("10.0.0.1")),
        ("allocation_pools", json!([{"start": "10.0.0.2", "end": "10.0.0.254"}])),
        ("enable_dhcp", json!(false)),
        ("subnetpool_id", Value::Null),
    ] {
        assert_eq!(subnet[member], value, "{member}");
    }
    let network = net.api.get(&format!("/v2.0/networks/{}", net.id)).await.expect(200);
    assert_eq!(network["network"]["subnets"], json!([subnet["id"]]));
    let listed = net.api.get("/v2.0/networks").await.expect(200);
    assert_eq!(listed["networks"][0]["subnets"], json!([subnet["id"]]));
    for query in ["cidr=10.0.0.0/24", "gateway_ip=10.0.0.1&name=s", "ip_version=4", "enable_dhcp=False"] {
        let found = net.api.get(&format!("/v2.0/subnets?{query}")).await.expect(200);
        assert_eq!(found["subnets"], json!([subnet]), "{query}");
    }
    let six = net.subnet(json!({"cidr": "fd00::/64", "gateway_ip": null})).await;
    assert_eq!(six["gateway_ip"], Value::Null);
    assert_eq!(six["allocation_pools"], json!([{"start": "fd00::1", "end": "fd00::ffff:ffff:ffff:ffff"}]));

    let path = path("subnets", &subnet);
    let changed = json!({"subnet": {"name": "t", "gateway_ip": "10.0.0.254",
                                    "allocation_pools": [{"start": "10.0.0.10", "end": "10.0.0.20"}]}});
    let changed = net.api.put(&path, &changed).await.expect(200)["subnet"].clone();
    assert_eq!((&changed["name"], &changed["gateway_ip"]), (&json!("t"), &json!("10.0.0.254")));
    net.api.delete(&path).await.expect(204);
    assert_eq!(net.api.delete(&path).await.error(404).0, "SubnetNotFound");
    // A network takes its subnets along.
    net.api.delete(&format!("/v2.0/networks/{}", net.id)).await.expect(204);
    assert_eq!(net.api.get("/v2.0/subnets").await.expect(200), json!({"subnets": []}));
}

#[tokio::test]
async fn subnets_that_make_no_sense_are_refused() {
    let net = Net::new().await;
    net.subnet(json!({"cidr": "10.0.0.0/24"})).await;
    for (body, at) in [
        (json!({}), "cidr"),
        (json!({"cidr": "10.0.0.0/33"}), "subnet.cidr"),
        (json!({"cidr": "10.1.0.0/24", "ip_version": 6}), "subnet.ip_version"),
        (json!({"cidr": "10.0.0.128/25"}), "overlaps"),
        (json!({"cidr": "10.0.0.0/8"}), "overlaps"),
        (json!({"cidr": "10.1.0.0/24", "gateway_ip": "fd00::1"}), "gateway_ip"),
        (
            json!({"cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.2.0.1", "end": "10.2.0.2"}]}),
            "allocation_pools[0]",
        ),
        (json!({"cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.9", "end": "10.1.0.2"}]}), "comes after"),
        (json!({"cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.1", "end": "10.1.0.2"}]}), "gateway"),
        (json!({"cidr": "10.1.0.0/24", "subnetpool_id": "x"}), "subnetpool_id"),
    ] {
        let (_, message) = net.post_subnet(body.clone()).await.error(400);
        assert!(message.contains(at), "{body}: {message}");
    }
    let nowhere = json!({"subnet": {"network_id": "00000000-0000-0000-0000-000000000000", "cidr": "10.9.0.0/24"}});
    assert_eq!(net.api.post("/v2.0/subnets", &nowhere).await.error(404).0, "NetworkNotFound");
}

#[tokio::test]
async fn ports_get_addresses_and_no_two_the_same() {
    let net = Net::new().await;
    // Without a subnet there is nothing to give, and any address is taken as it is.
    assert_eq!(net.port(json!({})).await["fixed_ips"], json!([]));
    let before = net.port(json!({"fixed_ips": [{"ip_address": "10.0.0.3"}]})).await;
    let four = net.subnet(json!({"cidr": "10.0.0.0/29"})).await;
    net.subnet(json!({"cidr": "fd00::/64"})).await;

    // .1 is the gateway's, .3 was there before; the highest that is known comes last.
    let first = net.port(json!({})).await;
    assert_eq!(ips(&first), ["10.0.0.4", "fd00::2"]);
    assert_eq!(first["fixed_ips"][0]["subnet_id"], four["id"]);
    assert_eq!(net.port(json!({"fixed_ips": []})).await["fixed_ips"], json!([]));
    let only = json!({"fixed_ips": [{"subnet_id": four["id"]}]});
    assert_eq!(ips(&net.port(only.clone()).await), ["10.0.0.5"]);
    let named = net.port(json!({"fixed_ips": [{"ip_address": "10.0.0.6"}]})).await;
    assert_eq!(named["fixed_ips"], json!([{"ip_address": "10.0.0.6", "subnet_id": four["id"]}]));
    let taken = net.post_port(json!({"fixed_ips": [{"ip_address": "10.0.0.6"}]})).await.error(409);
    assert_eq!(taken.0, "IpAddressInUse");
    assert!(taken.1.contains(named["id"].as_str().unwrap()), "{}", taken.1);
    assert_eq!(net.post_port(json!({"fixed_ips": [{"ip_address": "10.0.0.3"}]})).await.error(409).0, "IpAddressInUse");
    assert_eq!(ips(&net.port(only.clone()).await), ["10.0.0.2"], "a gap");
    assert_eq!(net.post_port(only.clone()).await.error(409).0, "IpAddressGenerationFailure");
    assert_eq!(net.api.delete(&path("subnets", &four)).await.error(409).0, "SubnetInUse");

    // What a port leaves is free again.
    net.api
        .put(&path("ports", &named), &json!({"port": {"fixed_ips": [{"ip_address": "192.0.2.9"}]}}))
        .await
        .expect(200);
    assert_eq!(ips(&net.port(only.clone()).await), ["10.0.0.6"]);
    net.api.delete(&path("ports", &before)).await.expect(204);
    assert_eq!(ips(&net.port(only).await), ["10.0.0.3"]);

    let outside = json!({"fixed_ips": [{"ip_address": "10.0.0.9", "subnet_id": four["id"]}]});
    assert_eq!(net.post_port(outside).await.error(400).0, "InvalidInput");
    let unknown = json!({"fixed_ips": [{"subnet_id": "00000000-0000-0000-0000-000000000000"}]});
    assert_eq!(net.post_port(unknown).await.error(404).0, "SubnetNotFound");
    assert_eq!(net.post_port(json!({"fixed_ips": [{}]})).await.error(400).0, "InvalidInput");
    assert!(ips(&net.port(json!({"fixed_ips": [{"ip_address": "203.0.113.1"}]})).await).contains(&"203.0.113.1"));
}

#[tokio::test]
async fn a_bulk_gets_addresses_around_those_that_it_names() {
    let net = Net::new().await;
    net.subnet(json!({"cidr": "10.0.0.0/22"})).await;
    let named = json!({"network_id": net.id, "fixed_ips": [{"ip_address": "10.0.0.4"}]});
    let mut ports = vec![json!({"network_id": net.id}); 900];
    ports.insert(100, named.clone());
    let created = net.api.post("/v2.0/ports", &json!({"ports": ports})).await.expect(201);
    let mut all: Vec<_> = created["ports"].as_array().unwrap().iter().flat_map(ips).collect();
    assert_eq!((all[0], all[1], all[2], all[100]), ("10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.4"));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 901);
    let twice = json!({"ports": [{"network_id": net.id, "fixed_ips": [{"ip_address": "10.0.3.250"}]},
                                 {"network_id": net.id, "fixed_ips": [{"ip_address": "10.0.3.250"}]}]});
    assert_eq!(net.api.post("/v2.0/ports", &twice).await.error(409).0, "IpAddressInUse");

    // Every other one goes; the gaps are filled once the end is reached.
    for port in created["ports"].as_array().unwrap().iter().step_by(2) {
        net.api.delete(&path("ports", port)).await.expect(204);
    }
    let more = json!({"ports": vec![json!({"network_id": net.id}); 500]});
    let more = net.api.post("/v2.0/ports", &more).await.expect(201);
    let mut all: Vec<_> = more["ports"].as_array().unwrap().iter().flat_map(ips).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 500);
    let listed = net.api.get("/v2.0/ports").await.expect(200);
    let mut all: Vec<_> = listed["ports"].as_array().unwrap().iter().flat_map(ips).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "no address twice");
}

#[tokio::test]
async fn ports_are_found_by_subnet_and_address() {
    let net = Net::new().await;
    let subnet = net.subnet(json!({"cidr": "10.0.0.0/24"})).await["id"].as_str().unwrap().to_owned();
    net.port(json!({"fixed_ips": [{"ip_address": "10.0.0.5"}, {"ip_address": "192.0.2.1"}]})).await;
    net.port(json!({"fixed_ips": [{"ip_address": "10.0.0.50"}]})).await;
    for (query, found) in [
        ("fixed_ips=ip_address%3D10.0.0.5".to_owned(), 1),
        ("fixed_ips=ip_address%3D10.0.0.5&fixed_ips=ip_address%3D10.0.0.50".to_owned(), 2),
        (format!("fixed_ips=subnet_id%3D{subnet}"), 2),
        (format!("fixed_ips=subnet_id%3D{subnet}&fixed_ips=ip_address%3D10.0.0.5"), 1),
        (format!("fixed_ips=subnet_id%3D{subnet}&fixed_ips=ip_address%3D192.0.2.1"), 0),
        ("fixed_ips=10.0.0.5".to_owned(), 0),
        ("fixed_ips=colour%3Dred".to_owned(), 0),
    ] {
        let ports = net.api.get(&format!("/v2.0/ports?{query}")).await.expect(200);
        assert_eq!(ports["ports"].as_array().unwrap().len(), found, "{query}");
    }
}

#[tokio::test]
async fn there_are_no_security_groups() {
    let api = Api::new().await;
    assert_eq!(api.get("/v2.0/security-groups?name=default").await.expect(200), json!({"security_groups": []}));
    assert_eq!(api.get("/v2.0/security-groups/default").await.error(404).0, "SecurityGroupNotFound");
}
