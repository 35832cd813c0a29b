//! A hand-over in `single-active` is a notice: it is shown, and nothing is wrong.

use super::is_fine;
use crate::{
    l2gw::Scene,
    support::{PATIENCE, eventually},
};

#[test]
fn a_hand_over_is_a_notice_and_no_problem() {
    let scene = Scene::with_more("[relay]\nactive_active = single-active\n").connected();
    is_fine(&scene, "the start");
    assert!(!scene.ok(&["status"]).out.contains("notice"));
    let bound = |scene: &Scene| scene.tors.each_ref().map(|tor| !tor.dump().bindings().is_empty());
    let first = usize::from(bound(&scene) == [false, true]);
    let (from, to) = (scene.tors[first].name(), scene.tors[1 - first].name());
    scene.tors[first].vtep_ctl(&["set", "Physical_Port", "Ethernet40", "port_fault_status=unspecified_fault"]);
    scene.tors[1 - first].wait("the twin is bound", |dump| !dump.bindings().is_empty());
    scene.tors[first].vtep_ctl(&["clear", "Physical_Port", "Ethernet40", "port_fault_status"]);

    is_fine(&scene, "the hand-over");
    let said = scene.ok(&["status"]);
    let words =
        format!("notice   vtep-gateway-1: network {} moved from {from} to {to} (single-active) (at ", scene.network());
    assert!(said.out.contains(&words), "{said:#?}");
    assert!(said.out.contains(&format!("-> flush the MAC tables of the bridges between {from} and {to}")), "{said:#?}");
    let entry = eventually("the journal has it", PATIENCE, || {
        let said = scene.ok(&["audit", "--kind", "handover", "--switch", from]).out;
        if said.contains(&format!("moved from {from} to {to}")) { Ok(said) } else { Err(said) }
    });
    assert!(entry.contains(&format!("network {} of gateway ", scene.network())), "{entry}");
}
