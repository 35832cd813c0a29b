//! What a switch says of its rows is an error, or becomes rows: no panic, and rows that were counted are there. Each line
//! of the input is one `<table-updates>`, applied to what the lines before it left.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vtepd_core::vtep::{Ownership, Replica, Touched};

fuzz_target!(|input: &[u8]| {
    let first = input.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // A first reply gives its memory back as it is read.
    let _ = Replica::default().load(first.to_vec());
    let mut replica = Replica::new(Ownership::new("vtepd", &["old".to_owned(), String::new()]));
    for updates in input.split(|byte| *byte == b'\n') {
        let mut touched = Touched::default();
        if replica.apply(updates, &mut touched).is_err() {
            // The session ends, and the replica with it.
            return;
        }
        assert!(replica.mac_total() >= replica.macs().count());
        for (index, row) in replica.logical_switches() {
            assert!(replica.mac_count(index) <= replica.mac_total(), "{}", row.name);
            // Those whose MAC is none are counted, too.
            let of_index = replica.macs().filter(|mac| mac.logical_switch == index).count();
            assert_eq!(replica.mac_count(index), of_index + replica.odd_macs_of(index).count());
        }
        for switch in replica.switches() {
            for port in &switch.ports {
                let _ = replica.port(*port);
            }
        }
    }
});
