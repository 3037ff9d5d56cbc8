//! The bugs.

use super::Bug;

const fn bug(id: &'static str, scenario: &'static str, says: &'static str) -> Bug {
    // The rule is what stands before the first hyphen.
    let mut at = 0;
    while at < id.len() && id.as_bytes()[at] != b'-' {
        at += 1;
    }
    Bug { id, rule: id.split_at(at).0, scenario, says }
}

/// All bugs, by the rules that must see them.
pub const BUGS: &[Bug] = &[
    bug("D01-status-missing", "session", "a client does not answer commands of one item"),
    bug("D01-status-twice", "session", "a client answers each command twice"),
    bug("D02-other-name", "session", "a status says the name of another command"),
    bug("D04-message-skipped", "session", "a client leaves a number out between its first message and its second"),
    bug("D04-number-twice", "session", "all commands of a message have the same number"),
    bug("D05-sent-anew", "session", "a client that gets no reply sends a new message"),
    bug("D06-never-idle", "session", "a server's session waits for ever"),
    bug("D06-waits-for-ever", "session", "a client waits for a reply for ever"),
    bug("D12-not-escaped", "objects-small", "the XML writer leaves a less-than sign as it is"),
    bug("D12-space-added", "session", "the XML writer writes a space before a text"),
    bug("D13-client-unproven", "session", "a server believes any client"),
    bug("D13-server-unproven", "session", "a client believes any server"),
    bug("D14-nonce-again", "nonces", "a server gives the same nonce each time"),
    bug("D16-nonce-ignored", "nonces", "a client that is challenged answers with its old nonce"),
    bug("D16-nonce-kept", "nonces", "a server that is challenged answers with its old nonce"),
    bug("D16b-nonce-not-stored", "nonces", "a device does not store the nonce for its next session"),
    bug("D22-password-shown", "session", "an account signs with its password"),
    bug("D25-first-not-undone", "atomic", "the first change of an Atomic is not undone"),
    bug("D25-undone-forwards", "atomic", "the changes of an Atomic are undone in the order they were made"),
    bug("D29-done-again-after-crash", "atomic", "a device asks its tree again what was done before its crash"),
    bug("D29-order-twice", "session", "a store leaves orders in their queue when it hands them out"),
    bug("D29-stale-reply", "session", "a client takes a reply with a run that it has taken before"),
    bug("D30-answered-anew", "session", "a server does not know a message again"),
    bug("D31-done-not-stored", "session", "a store does not store that an order is done"),
    bug("D31-unknown-not-told", "session", "a session that ends does not tell which orders have no answer"),
    bug("D37-octets-skipped", "objects-small", "a client leaves three octets out between two parts of a value"),
    bug("D37-part-from-elsewhere", "objects-small", "a store gives parts of a value from another place of it"),
    bug("P01-second-out", "dpe-small", "a device is asked a second thing while the first is out"),
    bug("P02-silence-not-told", "dpe-small", "an SP does not hear that a client says nothing"),
    bug("P03-answered-twice", "dpe-small", "a group query is answered twice"),
    bug("P09-former-id-kept", "dpe-small", "the directory keeps a Client-ID that was given up"),
    bug("P09-id-of-user", "dpe-small", "a device gets the Client-ID that its user has on another one"),
    bug("P11-message-id-passed-on", "dpe-small", "a client gets the Message-ID that the SP chose"),
    bug("P12-group-not-released", "dpe-small", "the release of a group is acknowledged, and nothing is released"),
    bug("P13-obsolete-answers", "dpe-small", "a request for a Client-ID that was given up succeeds"),
    bug("P14-user-shown", "dpe-small", "SPs hear of a user by what the network calls it"),
    bug("P17-suspended-for-ever", "dpe-small", "a client that once declined a session stays suspended"),
    bug("P20-end-not-told", "dpe-small", "an SP does not hear that its policy has ended"),
    bug("P20-end-told-twice", "dpe-small", "an SP hears twice that its policy has ended"),
    bug("P20-never-ends", "dpe-small", "a policy whose time is over goes on"),
    bug("P21-report-before-set", "dpe-small", "a report is passed on before its policy is acknowledged"),
    bug("P24-policy-not-released", "dpe-small", "the release of a policy is acknowledged, and nothing is released"),
    bug("P26-group-not-kept", "dpe-small", "a client acknowledges a group and does not keep it"),
    bug("P26-group-not-restored", "dpe-small", "a client that registers anew does not get its groups back"),
    bug("P28-one-too-many", "dpe-small", "a window lets one request more through"),
    bug("P28-window-forgets", "dpe-small", "a window forgets what it has let through"),
    bug("P29-place-not-returned", "dpe-small", "a dialogue stays open when its client did not answer"),
    bug("P31-retired-for-ever", "dpe-small", "a Client-ID that was given up is remembered for ever"),
];
