//! TLS between a device and a node: who is believed, and that nothing else is.

use std::{io, sync::Arc};

use axum::http::StatusCode;
use dm_core::{
    client::{self, Failure},
    session::Outcome,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use transport_http::{
    Handshake, Identity, Limits,
    dm::{
        HttpTransport,
        device::run_session,
        router,
        transport::{Transport, Undelivered},
    },
    env,
};

use crate::{
    kit::{self, Node},
    session::{Tap, device, get, statuses, trigger},
};

/// An authority that certifies servers.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// What a server shows.
struct Shown {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn certify(&self, name: &str, adjust: impl FnOnce(&mut CertificateParams)) -> Shown {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        adjust(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Shown { certificate, key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
    }

    /// What a device has that believes this authority alone.
    fn believer(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

/// TLS as an embedder adds it.
#[derive(Clone)]
struct Tls(TlsAcceptor);

impl Tls {
    fn showing(shown: Shown) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![shown.certificate], shown.key)
            .unwrap();
        Self(TlsAcceptor::from(Arc::new(config)))
    }
}

impl Handshake for Tls {
    type Stream = TlsStream<TcpStream>;

    async fn shake(&self, tcp: TcpStream) -> io::Result<(Self::Stream, Option<Identity>)> {
        Ok((self.0.accept(tcp).await?, None))
    }
}

async fn node(shown: Shown) -> (Node, Arc<transport_http::dm::memory::Memory>) {
    let memory = kit::memory();
    memory.enqueue(&device(), get("model", "./DevInfo/Mod")).unwrap();
    let app = router(kit::app(&memory, Limits::DEFAULT));
    (Node::start_with(Tls::showing(shown), app, Limits::DEFAULT).await, memory)
}

fn profile(node: &Node, host: &str) -> client::Profile {
    kit::client_profile(&format!("https://{host}:{}/dm", node.address.port()))
}

fn request(profile: &client::Profile) -> client::Request {
    let packet = dm_core::Packet::xml("<a/>".to_owned());
    client::Request { url: profile.server.clone(), packet, wants_reply: true }
}

#[tokio::test]
async fn a_server_with_a_certificate_for_its_name_is_believed() {
    let authority = Authority::new();
    for host in ["localhost", "127.0.0.1"] {
        let (node, memory) = node(authority.certify(host, |_| {})).await;
        let profile = profile(&node, host);
        let transport = Tap::new(HttpTransport::with_tls(&profile, authority.believer()));
        let (mut session, mut agent) = (client::Session::new(&profile), kit::agent());
        let outcome = run_session(&mut session, trigger(1), &transport, &mut agent, &env::now).await.unwrap();
        assert_eq!((outcome, statuses(&memory, "model").len()), (Outcome::Completed, 1), "{host}");
        // The session learns whom the certificate is of.
        assert!(transport.seen().iter().all(|(_, reply)| reply.identity.as_deref() == Some(host)), "{host}");
    }
}

async fn refused(shown: Shown, transport: impl FnOnce(&client::Profile) -> HttpTransport) {
    let (node, _) = node(shown).await;
    let profile = profile(&node, "localhost");
    let error = transport(&profile).exchange(&request(&profile)).await.unwrap_err();
    assert!(matches!(error, Undelivered::Certificate(_)), "{error:?}");
    assert_eq!(error.failure(), Failure::Permanent);
}

#[tokio::test]
async fn a_server_with_a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let shown = authority.certify("elsewhere.example", |_| {});
    refused(shown, |profile| HttpTransport::with_tls(profile, authority.believer())).await;
}

#[tokio::test]
async fn a_server_that_certified_itself_is_refused() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap().der().clone();
    let shown = Shown { certificate, key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() };
    refused(shown, |profile| HttpTransport::with_tls(profile, authority.believer())).await;
}

#[tokio::test]
async fn a_server_with_a_certificate_that_has_run_out_is_refused() {
    let authority = Authority::new();
    let shown = authority.certify("localhost", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    refused(shown, |profile| HttpTransport::with_tls(profile, authority.believer())).await;
}

#[tokio::test]
async fn an_authority_that_nobody_knows_is_not_believed_by_default() {
    refused(Authority::new().certify("localhost", |_| {}), kit::http).await;
}

#[tokio::test]
async fn a_session_that_is_refused_a_certificate_ends_at_once() {
    let (node, memory) = node(Authority::new().certify("localhost", |_| {})).await;
    let profile = profile(&node, "localhost");
    let (mut session, mut agent) = (client::Session::new(&profile), kit::agent());
    let outcome = run_session(&mut session, trigger(1), &kit::http(&profile), &mut agent, &env::now).await.unwrap();
    assert_eq!((outcome, memory.sessions().len()), (Outcome::Unreachable, 0));
}

#[tokio::test]
async fn a_redirection_does_not_leave_tls() {
    let authority = Authority::new();
    let plain = Node::over(&kit::memory()).await;
    let location = [("location", plain.url())];
    let away = axum::Router::new().fallback(async || (StatusCode::TEMPORARY_REDIRECT, location));
    let node = Node::start_with(Tls::showing(authority.certify("localhost", |_| {})), away, Limits::DEFAULT).await;
    let profile = profile(&node, "localhost");
    let transport = HttpTransport::with_tls(&profile, authority.believer());
    let error = transport.exchange(&request(&profile)).await.unwrap_err();
    assert!(matches!(error, Undelivered::Insecure), "{error:?}");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_cut_off() {
    let limits = Limits { header_ms: core_kit::Millis(300), ..Limits::DEFAULT };
    let shown = Authority::new().certify("localhost", |_| {});
    let node = Node::start_with(Tls::showing(shown), router(kit::app(&kit::memory(), limits)), limits).await;
    let began = std::time::Instant::now();
    assert_eq!(kit::talk(node.address, b"\x16\x03\x01").await, None);
    assert!((300..5_000).contains(&began.elapsed().as_millis()));
}
