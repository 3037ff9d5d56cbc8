//! The parameters of the digest's chapter 4.

use dpe_core::config::{ClientConfig, Config, OutOfRange};
use serde_json::{Value, json};

/// Every parameter of the server and its default; spans in milliseconds.
fn server_defaults() -> Vec<(&'static str, Value)> {
    vec![
        ("reg.ack_timeout", json!(30_000)),
        ("reg.command_timeout", json!(30_000)),
        ("reg.command_retry_max", json!(3)),
        ("client_id.assignment", json!("per_user_device")),
        ("client_id.version_ranges", json!({})),
        ("client_id.bits", json!(128)),
        ("reg.require_user_identity", json!(false)),
        ("reg.require_version", json!(true)),
        ("reg.supported_versions", json!(["1.0"])),
        ("reg.require_token", json!(false)),
        ("reg.reregister_interval", json!(0)),
        ("reg.settings_sync", json!("always")),
        ("dpe1.bad_message_type_action", json!("error")),
        ("dpe1.allowed_networks", json!([])),
        ("dpe1.rate_per_ip", json!(30)),
        ("identity.sources", json!(["radius", "proxy_headers", "message"])),
        ("identity.trusted_proxies", json!([])),
        ("identity.header_names", json!({"x-forwarded-for": "client_ip"})),
        ("identity.ipv6_as_device_id", json!(false)),
        ("identity.static_ipv6_prefixes", json!([])),
        ("verify.client_failure_strategy", json!(["error"])),
        ("verify.client_failure_retries", json!(2)),
        ("verify.reregister_deadline", json!(60_000)),
        ("sp.auth_failure_action", json!("ignore")),
        ("sp.missing_spid_action", json!("error_if_known_ip")),
        ("sp.max_connections", json!(8)),
        ("sp.window_seconds", json!(60)),
        ("sp.window_threshold", json!(120)),
        ("sp.window_algorithm", json!("sliding")),
        ("sp.max_open_dialogues", json!(256)),
        ("sp.max_groups", json!(256)),
        ("sp.max_policies", json!(256)),
        ("ids.scope", json!("sp")),
        ("dpe3.allow_star_release", json!(false)),
        ("dpe3.strict_integer_message_id", json!(false)),
        ("dpe2.noreply_timeout", json!(30_000)),
        ("dpe2.ack_timeout", json!(30_000)),
        ("dpe2.ack_retries", json!(1)),
        ("dpe2.bad_format_retries", json!(2)),
        ("dpe2.queue_max", json!(64)),
        ("dpe2.queue_max_wait", json!(60_000)),
        ("dpe2.tombstone_ttl", json!(300_000)),
        ("dpe2.ack_client_messages", json!(false)),
        ("dpe.multi_property_query", json!(true)),
        ("policy.max_duration", json!(604_800)),
        ("policy.default_duration", json!(null)),
        ("policy.duration_start", json!("ack")),
        ("policy.min_interval", json!(5000)),
        ("policy.expiry_release_retries", json!(3)),
        ("policy.expired_memory", json!(86_400_000)),
        ("policy.release_unknown", json!(true)),
        ("policy.validate_at_server", json!(true)),
        ("sp.report_retries", json!(3)),
        ("group.release_cascade", json!(true)),
        ("cache.mode", json!("semi_dynamic")),
        ("cache.semi_dynamic", json!(["InstalledSoftwareList", "OSName"])),
        ("cache.ttl", json!(86_400_000)),
        ("cache.ttl_of", json!({})),
        ("cache.clear_on_registration", json!(true)),
        ("cache.serve_when_unreachable", json!(false)),
        ("vocabulary.denied_to_sp", json!(["imei", "meid", "MSISDN", "bluetoothAddress", "ipAddress", "serialNumber"])),
        ("vocabulary.check_at_server", json!(true)),
        ("device_change.multi_device_users", json!(false)),
        ("device_change.restore", json!("user")),
        ("device_change.sync_retries", json!(3)),
        ("obsolete_client_id.action", json!("error_and_report")),
        ("obsolete_client_id.retention", json!(2_592_000_000_u64)),
        ("cid_report.audience", json!("related")),
        ("wire.max_message_bytes", json!(65_536)),
        ("wire.max_depth", json!(8)),
        ("http.poll_wait", json!(30_000)),
        ("http.ignore_style", json!("close")),
    ]
}

fn pointer(name: &str) -> String {
    format!("/{}", name.replace('.', "/"))
}

#[test]
fn every_parameter_of_the_server_has_the_digests_name_and_default() {
    let config = serde_json::to_value(Config::default()).unwrap();
    for (name, default) in server_defaults() {
        assert_eq!(config.pointer(&pointer(name)), Some(&default), "{name}");
    }
    assert_eq!(Config::default().vocabulary.names.len(), 21);
    assert_eq!(serde_json::from_value::<Config>(json!({})).unwrap(), Config::default());
}

#[test]
fn every_parameter_of_the_client_has_its_default() {
    let config = serde_json::to_value(ClientConfig::default()).unwrap();
    for (name, default) in [
        ("server_addresses", json!([])),
        ("server_addr_mismatch_action", json!("ignore")),
        ("response_timeout", json!(30_000)),
        ("register_backoff_max", json!(600_000)),
        ("reregister_interval", json!(0)),
        ("partial_group", json!(false)),
    ] {
        assert_eq!(config.get(name), Some(&default), "{name}");
    }
}

#[test]
fn spans_and_bounds_of_zero_are_refused_by_name() {
    assert_eq!(Config::default().check(), Ok(()));
    let zero = [
        "reg.ack_timeout",
        "reg.command_timeout",
        "dpe1.rate_per_ip",
        "verify.reregister_deadline",
        "sp.max_connections",
        "sp.window_seconds",
        "sp.window_threshold",
        "sp.max_open_dialogues",
        "sp.max_groups",
        "sp.max_policies",
        "dpe2.noreply_timeout",
        "dpe2.ack_timeout",
        "dpe2.queue_max",
        "dpe2.queue_max_wait",
        "dpe2.tombstone_ttl",
        "policy.max_duration",
        "policy.default_duration",
        "policy.min_interval",
        "policy.expired_memory",
        "cache.ttl",
        "client_id.bits",
        "obsolete_client_id.retention",
        "wire.max_message_bytes",
        "wire.max_depth",
        "http.poll_wait",
    ];
    for name in zero {
        let mut config = serde_json::to_value(Config::default()).unwrap();
        *config.pointer_mut(&pointer(name)).unwrap() = json!(0);
        let config: Config = serde_json::from_value(config).unwrap();
        assert_eq!(config.check(), Err(OutOfRange(name)));
    }
    let client = ClientConfig { response_timeout: core_kit::Millis(0), ..ClientConfig::default() };
    assert_eq!(client.check(), Err(OutOfRange("client.response_timeout")));
}

#[test]
fn choices_that_are_not_listed_are_refused() {
    for config in [
        json!({"cache": {"mode": "magic"}}),
        json!({"client_id": {"assignment": "per_month"}}),
        json!({"reg": {"ack_timeout_s": 5}}),
        json!({"identity": {"trusted_proxies": ["everybody"]}}),
    ] {
        assert!(serde_json::from_value::<Config>(config.clone()).is_err(), "{config}");
    }
    let reserved: Config = serde_json::from_value(json!({"dpe2": {"ack_client_messages": true}})).unwrap();
    assert_eq!(reserved.check(), Err(OutOfRange("dpe2.ack_client_messages")));
}
