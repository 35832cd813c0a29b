//! What the daemon says of its own methods is true of what they answer.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    l2gw::{MACHINES, Scene, watched},
    support::{PATIENCE, eventually, schema::mismatches},
};

/// Calls methods, and holds each answer against its description.
struct Caller<'s> {
    scene: &'s Scene,
    document: Value,
    called: BTreeSet<String>,
}

impl Caller<'_> {
    fn described(&self, method: &str) -> &Value {
        let methods = self.document["methods"].as_array().expect("methods");
        let described = methods.iter().find(|described| described["name"] == method);
        described.unwrap_or_else(|| panic!("{method} is not described"))
    }

    fn result_of(&self, method: &str) -> &Value {
        &self.described(method)["result"]["schema"]
    }

    /// What is sent is described, and what must be sent is there.
    fn check_params(&self, method: &str, sent: &Value) {
        let described = self.described(method)["params"].as_array().expect("parameters");
        for (name, value) in sent.as_object().expect("parameters by name") {
            let param = described.iter().find(|param| param["name"] == name.as_str());
            let param = param.unwrap_or_else(|| panic!("{method}: {name} is not described"));
            assert!(param["description"].is_string(), "{method}: {param}");
            let wrong = mismatches(&self.document, &param["schema"], value);
            assert!(wrong.is_empty(), "{method} {name}: {wrong:#?}");
        }
        let missing = |param: &&Value| {
            param["required"] == true && sent.get(param["name"].as_str().unwrap_or_default()).is_none()
        };
        assert_eq!(described.iter().find(missing), None, "{method}");
    }

    // Calls are described with literals.
    #[allow(clippy::needless_pass_by_value)]
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.called.insert(method.to_owned());
        self.check_params(method, &params);
        let answer = self.scene.daemon.admin(method, &params);
        let wrong = mismatches(&self.document, self.result_of(method), &answer);
        assert!(wrong.is_empty(), "{method} {params}: {wrong:#?}\n{answer:#}");
        answer
    }
}

#[test]
fn every_method_answers_as_it_is_described() {
    let scene = Scene::new().connected();
    let document = scene.daemon.admin("schema", &json!({}));
    assert!(!document["components"]["schemas"].as_object().expect("schemas").is_empty());
    let mut rpc = Caller { scene: &scene, document, called: BTreeSet::new() };
    let logical_switch = format!("vtepd-{}", scene.network());
    scene.tors[0].learn(&logical_switch, "02:bb:00:00:00:01", "10.0.0.77");
    scene.tors[0].vtep_ctl(&["del-ucast-remote", &logical_switch, "fa:16:3e:00:00:01"]);
    scene.tors[0].wait("it is put back", |dump| dump.macs().len() == MACHINES.len());

    // Reads, over a scene where each has something to tell.
    for method in ["status", "gateway_list", "connection_list", "network_list", "endpoint_list", "switch_list"] {
        rpc.call(method, json!({}));
    }
    rpc.call("gateway_show", json!({"gateway": "vtep-gateway-1"}));
    rpc.call("network_show", json!({"network": "network1"}));
    rpc.call("endpoint_show", json!({"endpoint": "compute-1"}));
    let ports = rpc.call("port_list", json!({"network": "network1"}));
    rpc.call("port_show", json!({"port": ports["ports"][0]["id"]}));
    rpc.call("switch_show", json!({"switch": "tor-switch-1"}));
    rpc.call("progress", json!({}));
    assert_eq!(rpc.call("source_show", json!({})), json!({"driver": "native"}));
    for params in [json!({}), json!({"network": "network1"}), json!({"network": "network1", "scope": "all"})] {
        eventually("the learned MAC and its address", PATIENCE, || {
            let told = rpc.call("fdb", params.clone()).to_string();
            if told.contains("02:bb:00:00:00:01") && told.contains("10.0.0.77") { Ok(()) } else { Err(told) }
        });
    }
    eventually("the journal tells of calls, plans, drift and sessions", PATIENCE, || {
        let told = rpc.call("audit", json!({}));
        let kinds: BTreeSet<&str> =
            told["entries"].as_array().expect("entries").iter().filter_map(|entry| entry["kind"].as_str()).collect();
        if kinds == ["call", "drift", "plan", "session"].into() { Ok(()) } else { Err(format!("{kinds:?}")) }
    });

    // Changes.
    let network = rpc.call("network_create", json!({"name": "blue"}));
    rpc.call("network_update", json!({"network": "blue", "name": "green"}));
    rpc.call("endpoint_create", json!({"host": "c2", "ip_address": "198.51.100.12"}));
    rpc.call("endpoint_update", json!({"endpoint": "c2", "ip_address": "198.51.100.13"}));
    let new = json!({"network": "green", "fixed_ips": [{"ip_address": "10.1.0.1"}], "host": "c2",
                     "allowed_address_pairs": [{"ip_address": "10.2.0.0/24"}]});
    let port = rpc.call("port_create", new);
    rpc.call("port_update", json!({"port": port["id"], "name": "web"}));
    let import = rpc.call("port_import_begin", json!({}))["import"].clone();
    let ports = json!([{"network": network["id"]}]);
    rpc.call("port_import_stage", json!({"import": import, "ports": ports}));
    rpc.call("port_import_commit", json!({"import": import}));
    let import = rpc.call("port_import_begin", json!({}))["import"].clone();
    rpc.call("port_import_abort", json!({"import": import}));
    let devices = json!([{"device_name": "tor-switch-1", "interfaces": [{"name": "Ethernet41"}]}]);
    rpc.call("gateway_create", json!({"l2_gateway": {"name": "g", "devices": devices}}));
    rpc.call("gateway_update", json!({"gateway": "g", "l2_gateway": {"name": "h"}}));
    let ask = json!({"gateway_id": "h", "network_id": "green", "default_segmentation_id": 60});
    let connection = json!({"connection": rpc.call("connection_create", ask)["connection_id"]});
    rpc.call("connection_show", connection.clone());
    rpc.call("connection_status", connection.clone());
    rpc.call("switch_hold", json!({"switch": "tor-switch-1"}));
    rpc.call("connection_delete", connection);
    eventually("a plan that is held", PATIENCE, || {
        let plan = rpc.call("switch_diff", json!({"switch": "tor-switch-1"}));
        if plan["held"].as_u64() > Some(0) { Ok(()) } else { Err(plan.to_string()) }
    });
    rpc.call("status", json!({}));
    rpc.call("switch_release", json!({"switch": "tor-switch-1"}));
    rpc.call("switch_repair", json!({"switch": "tor-switch-1"}));
    rpc.call("gateway_delete", json!({"gateway": "h"}));
    rpc.call("port_delete", json!({"port": port["id"]}));
    let rest = rpc.call("port_list", json!({"network": "green"}));
    rpc.call("port_delete", json!({"port": rest["ports"][0]["id"]}));
    rpc.call("network_delete", json!({"network": "green"}));
    rpc.call("endpoint_delete", json!({"endpoint": "c2"}));
    rpc.call("log_level", json!({"levels": "info"}));
    rpc.call("reload", json!({}));

    // What happens, as it happens.
    for event in watched(&scene, 3) {
        let wrong = mismatches(&rpc.document, rpc.result_of("watch"), &event);
        assert!(wrong.is_empty(), "{wrong:#?}\n{event:#}");
    }
    let known =
        rpc.document["methods"].as_array().expect("methods").iter().filter_map(|method| method["name"].as_str());
    // Without a source there is nothing to release: tests/openstack does it with one.
    let others = ["schema", "watch", "source_release"];
    let left: Vec<&str> = known.filter(|method| !rpc.called.contains(*method) && !others.contains(method)).collect();
    assert!(left.is_empty(), "nobody looks at the answers of {left:?}");
}
