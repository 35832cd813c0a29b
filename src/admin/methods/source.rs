//! Where networks and ports come from, as `/v2/source` has it, and its guard's release.

use jsonrpsee::core::RegisterMethodError;

use super::{
    super::registry::{Answer, Call, Nothing, Registry, done, raw},
    NoParams,
};
use crate::service::view::SourceView;

pub(super) fn offer(r: &mut Registry) -> Result<(), RegisterMethodError> {
    r.read("source_show", "Where networks and ports come from: this API, or Neutron's own database.", show)?;
    r.change("source_release", "Lets losses of Neutron's database pass that the guard holds.", release)
}

async fn show(call: Call, _: NoParams) -> Answer<SourceView> {
    raw(&SourceView::from(call.service().source()))
}

async fn release(call: Call, _: NoParams) -> Answer<Nothing> {
    done(call.service().release_source()?)
}
