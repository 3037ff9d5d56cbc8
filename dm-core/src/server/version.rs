//! The version of a session, and what clients are told of others [digest 10.4].

use super::Session;
use crate::{fault::PeerFault, version::Version, wire::Header};

impl Session {
    /// The version of the session that a message opens; where it is not spoken, the version to say so in.
    pub(super) fn version_to_answer_in(&self, header: &Header) -> Version {
        let spoken = self.profile.versions;
        Version::of_header(&header.ver_dtd, &header.ver_proto, spoken)
            .unwrap_or_else(|_| Version::to_refuse_in(&header.ver_dtd, spoken))
    }

    /// What is wrong with the version of a message: it is not spoken, or it is not that of its session.
    pub(super) fn version_fault(&self, header: &Header, is_first: bool) -> Option<PeerFault> {
        match Version::of_header(&header.ver_dtd, &header.ver_proto, self.profile.versions) {
            Ok(version) => {
                let of_session = self.common.peer.as_ref().map(|peer| peer.version);
                let differs = !is_first && of_session != Some(version);
                differs.then(|| PeerFault::ProtocolVersion(header.ver_proto.as_str().into()))
            }
            Err(fault) => Some(fault),
        }
    }

    /// What a device is told that was refused for its version (Server-3).
    pub(super) fn version_instead(&self, fault: &PeerFault) -> Option<Version> {
        let for_version = matches!(fault, PeerFault::DtdVersion(_) | PeerFault::ProtocolVersion(_));
        self.profile.recommended.or(self.profile.versions.highest()).filter(|_| for_version)
    }

    /// What a device is told that was accepted with a version other than the recommended one (Server-2).
    pub(super) fn version_to_recommend(&self) -> Option<Version> {
        let spoken = self.common.peer.as_ref().map(|peer| peer.version);
        self.profile.recommended.filter(|version| spoken != Some(*version))
    }
}
