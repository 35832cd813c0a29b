//! What is shown and answered where workers are busy, or nobody is left to do anything.

use super::*;
use crate::{
    fleet::SwitchError,
    model::{
        problem::Problem,
        status::{BindingStatus, SwitchStatus},
    },
};

async fn over(scratch: &Scratch, fleet: Fleet) -> Service {
    let store = Store::open(&scratch.0.join("vtepd.db")).await.unwrap();
    Service::new(store, fleet, Settings { vni_ranges: vec![1000..=65_535], max_ports_per_host: 8 })
}

#[tokio::test]
async fn where_the_supervisor_is_gone_an_order_is_refused() {
    let scratch = Scratch::new();
    let service = over(&scratch, Fleet::gone()).await;
    let stopping = |result: Result<()>, what: &str| {
        let error = result.expect_err(what);
        assert!(
            matches!(&error, ServiceError::SwitchBusy(SwitchError::Stopping(name)) if name == "t"),
            "{what}: {error}"
        );
        assert!(error.to_string().contains("nothing was done at switch 't'"), "{what}: {error}");
    };
    stopping(service.repair("t").await, "repair");
    stopping(service.release("t").await, "release");
    stopping(service.hold("t", "root").await, "hold");
    stopping(service.switch("t").await.map(drop), "show");
    assert!(service.holds().await.unwrap().is_empty(), "what was refused isn't kept");
}

#[tokio::test]
async fn a_busy_worker_is_shown_at_its_switch_and_at_its_connections() {
    let scratch = Scratch::new();
    let at = "2026-11-28T01:02:03Z";
    let busy = Reason::Busy { at: at.to_owned() };
    // The connection has to be there before the switch can say anything of it.
    let service = over(&scratch, Fleet::detached()).await;
    let caller = Caller::default();
    let net = service.create_network(&caller, network("n")).await.unwrap();
    let interfaces = vec![InterfaceDraft { name: "e".into(), vlans: vec![] }];
    let devices = vec![DeviceDraft { name: "t".into(), interfaces }];
    let gateway = GatewayDraft { name: "g".into(), tenant_id: None, devices };
    service.create_gateway(&caller, Dialect::Specification, gateway).await.unwrap();
    let vlan = VlanId::try_from(50).unwrap();
    let draft = ConnectionDraft {
        gateway: "g".into(),
        network: "n".into(),
        default_vlan: Some(vlan),
        port_id: None,
        tenant_id: None,
    };
    let joined = service.create_connection(&caller, Dialect::Specification, draft).await.unwrap();
    service.store.close().await;
    drop(service);

    let mut switch = SwitchStatus::example("t");
    switch.bindings.push(BindingStatus {
        switch: "t".into(),
        port: "e".into(),
        vlan,
        status: busy.status(),
        reason: busy.clone(),
        rows_desired: 3,
        rows_actual: 3,
        since: String::new(),
        network_id: net.id,
        connections: vec![joined.id],
    });
    switch.add(busy);
    let service = over(&scratch, Fleet::showing(vec![switch])).await;
    let says_so = |text: &str| text.contains("worker is busy") && text.contains(at);
    let shown = service.switch("t").await.unwrap();
    assert!(shown.status == Status::Pending && says_so(&shown.reason.to_string()), "{shown:?}");
    let status = service.connection_status(&joined.id.to_string()).await.unwrap();
    assert!(status.status == Status::Pending && says_so(&status.switches[0].reason.to_string()), "{status:?}");
    assert_eq!(status.switches[0].rows_actual, 3, "as it was");
    assert_eq!(wrong(&service).await, [(ProblemKind::Pending, Status::Pending, "t".to_owned())]);
    assert!(says_so(&service.warnings(9).await.concat()));
    service.store.close().await;
}

/// Everybody may ask `/readyz`: the switches are looked at once a second, and what is told has a bound.
#[tokio::test]
async fn warnings_cost_little() {
    let scratch = Scratch::new();
    let switches = (0..1000).map(|i| {
        let mut switch = SwitchStatus::example(&format!("t{i:04}"));
        switch.add(Reason::NoSession("no route".into()));
        switch
    });
    let service = over(&scratch, Fleet::showing(switches.collect())).await;
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = asked.clone();
    service.watch_part(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        None::<Problem>
    });
    let asked = || asked.swap(0, std::sync::atomic::Ordering::Relaxed);
    let told = service.warnings(50).await;
    assert_eq!(asked(), 2, "for the view, and for the answer");
    assert_eq!((told.len(), told[50].as_str()), (51, "950 more: l2gw status"), "{told:?}");
    for _ in 0..100 {
        assert_eq!(service.warnings(50).await, told);
    }
    assert_eq!(asked(), 100, "the view is not made again");
    service.store.close().await;
}
