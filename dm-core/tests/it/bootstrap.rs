//! Bootstraps: who may send one, what is in it, and which account it makes.

use dm_core::{
    bootstrap::{self, Bootstrap, ContentType, Device, Policy, Profile, Refused, Secrets, cp},
    wire::Encoding,
};

mod cp_account;
mod cp_document;
mod dm_profile;
mod libwbxml;
mod protection;

/// A policy that takes what nobody signed: for tests of what is inside.
const TRUSTING: Policy = Policy {
    accept_unauthenticated: true,
    provisioned: bootstrap::Provisioned::Refuse,
    limits: dm_core::limits::BootstrapLimits::DEFAULT,
};

/// A document for one account with everything that the digest's table maps.
const W7: &str = r#"<?xml version="1.0"?>
<!DOCTYPE wap-provisioningdoc PUBLIC "-//WAPFORUM//DTD PROV 1.0//EN" "http://www.wapforum.org/DTD/prov.dtd">
<wap-provisioningdoc version="1.1">
  <characteristic type="PXLOGICAL">
    <parm name="PROXY-ID" value="proxy-1"/>
    <characteristic type="PORT"><parm name="PORTNBR" value="9201"/></characteristic>
  </characteristic>
  <characteristic type="NAPDEF"><parm name="NAPID" value="nap-1"/></characteristic>
  <characteristic type="APPLICATION">
    <parm name="APPID" value="w7"/>
    <parm name="PROVIDER-ID" value="dm.example.com"/>
    <parm name="NAME" value="Example &amp; Co"/>
    <parm name="TO-NAPID" value="nap-1"/>
    <parm name="TO-PROXY" value="proxy-1"/>
    <parm name="INIT"/>
    <characteristic type="APPADDR">
      <parm name="ADDR" value="https://dm.example.com/dm"/>
      <parm name="ADDRTYPE" value="URI"/>
      <characteristic type="PORT"><parm name="PORTNBR" value="8443"/></characteristic>
    </characteristic>
    <characteristic type="APPADDR"><parm name="ADDR" value="192.0.2.1"/><parm name="ADDRTYPE" value="IPV4"/></characteristic>
    <characteristic type="APPAUTH">
      <parm name="AAUTHLEVEL" value="APPSRV"/><parm name="AAUTHTYPE" value="DIGEST"/>
      <parm name="AAUTHNAME" value="device-001"/><parm name="AAUTHSECRET" value="s3cr3t-pass"/>
      <parm name="AAUTHDATA" value="Tm9uY2U="/>
    </characteristic>
    <characteristic type="APPAUTH">
      <parm name="AAUTHLEVEL" value="CLIENT"/><parm name="AAUTHTYPE" value="HMAC"/>
      <parm name="AAUTHNAME" value="dm-server"/><parm name="AAUTHSECRET" value="pw"/>
    </characteristic>
  </characteristic>
</wap-provisioningdoc>"#;

fn document(xml: &str) -> cp::Document {
    cp::Document::decode(Encoding::Xml, xml.as_bytes(), &TRUSTING.limits.wire).expect("a document")
}

/// A content type without protection.
const fn plain(profile: Profile, encoding: Encoding) -> ContentType {
    ContentType { profile, encoding, protection: None }
}

/// What a trusting device without accounts makes of a bootstrap.
fn received(profile: Profile, encoding: Encoding, body: &[u8]) -> Result<Bootstrap, Refused> {
    bootstrap::receive(&plain(profile, encoding), body, &Secrets::default(), &Device::default(), &TRUSTING)
}
