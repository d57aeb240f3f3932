//! A flow as text and as JSON.

use heapledger_statement::{FlowReadings, PageFlow, RegionName};

#[cfg(feature = "serde")]
use crate::units::{Label, UNITS, flow};
use crate::{PAGE, block, readings, slab, slot};

#[cfg(feature = "serde")]
#[test]
fn a_flow_survives_the_round_trip() {
    let mut mixed = [Label::Block(0); UNITS];
    (mixed[1], mixed[2], mixed[3]) = (Label::Block(1), Label::Dirty(0), Label::Block(2));
    let mut other = [Label::Block(1); UNITS];
    (other[4], other[5]) = (Label::Dirty(1), Label::Block(0));
    let pages = [(mixed, other), (other, [Label::Absent; UNITS]), ([Label::Absent; UNITS], mixed)];
    let flow = flow(&pages, true);
    assert!(flow.rows().iter().any(|row| row.cells.iter().any(|cell| cell.bytes.as_exact().is_none())));
    let json = flow.to_json();
    assert!(!json.contains('\n'));
    assert_eq!(PageFlow::from_json(&json).expect("our own JSON can be read"), flow);
    let newer = json.replacen("\"schema\":1", "\"schema\":2", 1);
    assert!(PageFlow::from_json(&newer).is_err_and(|error| error.to_string().contains("schema 2")));
}

#[test]
fn the_text_of_a_flow_keeps_to_eighty_columns() {
    let long = RegionName::new("a/very/long/name/of/a/region/that/does/not/fit/anywhere", 3);
    let before = vec![slab(0, 1000, &[(block(0), 1000 * PAGE)])];
    let after = vec![slab(0, 500, &[(block(1), 500 * PAGE)]), slab(500, 1, &[(block(1), 96), (slot(0, 1), 4000)])];
    let names = vec![Some(long.clone()), Some(RegionName::new(format!("{}/b", long.name), 0))];
    let readings = FlowReadings { before: names.clone(), after: names, given_back_bytes: Some(9 << 40), ..readings() };
    let text = PageFlow::between(&mut before.into_iter(), &mut after.into_iter(), &readings).to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("returned"), "{text}");
}
