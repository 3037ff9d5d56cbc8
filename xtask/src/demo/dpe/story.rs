//! The story: what is done, and what must come of it, whatever carries the messages.

use core::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};
use core_kit::Millis;
use dpe_core::{
    client::{self, Client, PhaseKind},
    codes::Code,
    ids::{ClientId, dpe3},
    policy::{Terms, Watched},
    property::Reading,
    sp::{self, Done, Output, What},
    wire::Value,
};

use super::{
    OS, Pace, THRESHOLD,
    draw::{self, Said, Who, short, status},
    name,
};

const WEATHER: usize = 0;
const MAPS: usize = 1;
const OLD: usize = 0;
const NEW: usize = 1;
/// Steps that a scene takes at most to come to its end.
const SETTLING: usize = 40;

/// What a client says of itself.
#[derive(Clone)]
pub(super) struct View {
    pub(super) phase: PhaseKind,
    pub(super) client: Option<ClientId>,
    /// How many groups and policies it has.
    pub(super) settings: (usize, usize),
}

impl View {
    pub(super) fn of(machine: &Client) -> Self {
        Self { phase: machine.phase(), client: machine.client_id().cloned(), settings: machine.settings() }
    }
}

/// Two clients, a server and two SPs, and whatever connects them.
pub(super) trait Stage {
    /// Lets so much time pass, with all that happens in it.
    fn pass(&mut self, time: Millis) -> Result<()>;
    /// Gives a client an input.
    fn phone(&mut self, phone: usize, input: client::Input) -> Result<()>;
    /// Changes what a property of a device is worth.
    fn worth(&mut self, phone: usize, reading: Reading) -> Result<()>;
    /// How a client is.
    fn view(&mut self, phone: usize) -> Result<View>;
    /// Cuts a client off the network.
    fn cut_off(&mut self, phone: usize) -> Result<()>;
    /// Gives an SP an input.
    fn provider(&mut self, provider: usize, input: sp::Input) -> Result<()>;
    /// What an SP's machine told since it was asked last.
    fn told(&mut self, provider: usize) -> Vec<Output>;
    /// What was said since this was asked last.
    fn said(&mut self) -> Vec<Said>;
}

/// A story that is being told.
pub(super) struct Story<'a, S> {
    stage: &'a mut S,
    pace: Pace,
    /// All that was told, to be printed if it went well.
    pub(super) text: String,
    /// Messages that were drawn.
    pub(super) messages: usize,
    /// Scenes that were played.
    pub(super) scenes: usize,
    said: Vec<Said>,
    told: [Vec<Output>; 2],
    found: Vec<String>,
    asked: usize,
}

impl<'a, S: Stage> Story<'a, S> {
    pub(super) fn new(stage: &'a mut S, pace: Pace) -> Self {
        Self {
            stage,
            pace,
            text: String::new(),
            messages: 0,
            scenes: 0,
            said: Vec::new(),
            told: [Vec::new(), Vec::new()],
            found: Vec::new(),
            asked: 0,
        }
    }

    /// Plays all scenes.
    pub(super) fn play(&mut self) -> Result<()> {
        let client = self.scene("a device registers", Self::registration)?;
        self.scene("an SP asks for a property: of the device, then of the cache", |story| story.query(&client))?;
        self.scene("a group is made, read and released", |story| story.group(&client))?;
        self.scene("a policy reports, and comes to its end", |story| story.policy(&client))?;
        let client =
            self.scene("the user moves to another device, and the settings follow", |story| story.change(&client))?;
        self.scene("an SP asks too often", |story| story.overflow(&client))?;
        self.scene("a device falls silent", |story| story.silence(&client))
    }

    /// One scene, in a window of its own: no SP is over it by what it did before.
    fn scene<T>(&mut self, what: &str, play: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.stage.pass(Millis::from_secs(u64::from(self.pace.window_seconds)))?;
        self.listen();
        self.said.clear();
        self.scenes += 1;
        // A `String` takes whatever is written to it.
        let _ = writeln!(self.text, "\n  {}. {what}\n", self.scenes);
        let result = play(self).and_then(|result| self.settle().map(|()| result)).with_context(|| what.to_owned());
        self.listen();
        self.messages += self.said.len();
        draw::sequence(&mut self.text, &self.said);
        self.text.push('\n');
        for line in self.found.drain(..) {
            let _ = writeln!(self.text, "    {line}");
        }
        result
    }

    /// Lets what is under way come to its end, as far as that does not take long.
    fn settle(&mut self) -> Result<()> {
        for _ in 0..SETTLING {
            self.listen();
            let before = self.said.len();
            self.stage.pass(self.pace.step)?;
            self.listen();
            if self.said.len() == before {
                break;
            }
        }
        Ok(())
    }

    fn registration(&mut self) -> Result<ClientId> {
        self.stage.phone(OLD, client::Input::Start)?;
        let client = self.registered(OLD)?;
        self.found.push(format!("registered as {}", short(client.as_str())));
        Ok(client)
    }

    fn query(&mut self, client: &ClientId) -> Result<()> {
        let mut asked = Vec::new();
        for place in ["the device was asked", "the cache had it: nothing went to the device"] {
            let before = self.asked_of(OLD);
            let done = self.ask(WEATHER, client, What::Query(vec![name("OSName")?]), Code::OK)?;
            asked.push(self.asked_of(OLD) - before);
            ensure!(values(&done.readings) == format!("OSName = {OS}"), "the SP was told {:?}", done.readings);
            self.found.push(format!("{}; {place}", values(&done.readings)));
        }
        ensure!(matches!(asked.as_slice(), [1..=9, 0]), "the device was asked {asked:?} times");
        Ok(())
    }

    fn group(&mut self, client: &ClientId) -> Result<()> {
        let group = dpe3::GroupId::try_from("screen")?;
        let members = vec![name("currentOrientation")?, name("displayLightIntensity")?];
        self.ask(WEATHER, client, What::GroupSet(group.clone(), members), Code::OK)?;
        let done = self.ask(WEATHER, client, What::GroupQuery(group.clone()), Code::OK)?;
        ensure!(done.readings.len() == 2, "the group has {} properties", done.readings.len());
        self.found.push(values(&done.readings));
        self.ask(WEATHER, client, What::GroupRelease(group.clone()), Code::OK)?;
        self.ask(WEATHER, client, What::GroupQuery(group), Code::GROUP_ID_NOT_REGISTERED)?;
        self.found.push("a group that was released is there no more".into());
        Ok(())
    }

    fn policy(&mut self, client: &ClientId) -> Result<()> {
        let policy = self.watch(client, "low", self.pace.policy_seconds)?;
        self.sample(OLD, 50)?;
        self.sample(OLD, 15)?;
        let level = self.reported(&policy, client)?;
        self.found.push(format!("reported when the level fell: {level}"));
        self.stage.pass(Millis::from_secs(u64::from(self.pace.policy_seconds)))?;
        let ended = Output::PolicyEnded(policy, Code::POLICY_EXPIRED);
        self.until("the end of the policy", |story| Ok(take(&mut story.told[WEATHER], |output| *output == ended)))?;
        self.until("the release at the client", |story| Ok(then(story.stage.view(OLD)?.settings == (0, 0))))?;
        self.found.push(format!("ended after {} s, also on the device", self.pace.policy_seconds));
        Ok(())
    }

    fn change(&mut self, before: &ClientId) -> Result<ClientId> {
        let group = dpe3::GroupId::try_from("screen")?;
        let members = vec![name("currentOrientation")?, name("displayLightIntensity")?];
        self.ask(WEATHER, before, What::GroupSet(group.clone(), members), Code::OK)?;
        self.sample(OLD, 60)?;
        let policy = self.watch(before, "empty", 86_400)?;
        self.stage.phone(NEW, client::Input::Start)?;
        let client = self.registered(NEW)?;
        ensure!(client != *before, "the new device has the old Client-ID");
        self.until("the settings", |story| Ok(then(story.stage.view(NEW)?.settings == (1, 1))))?;
        let is_told = |output: &Output| match output {
            Output::ClientChanged(change) => change.replaces.contains(before) && change.clients.contains(&client),
            _ => false,
        };
        self.until("the report of the new Client-ID", |story| Ok(take(&mut story.told[WEATHER], is_told)))?;
        let (then, now) = (short(before.as_str()), short(client.as_str()));
        self.found.push(format!("the SP was told that {then} is {now} now; group and policy are on the new device"));
        self.sample(NEW, 80)?;
        self.sample(NEW, 10)?;
        let level = self.reported(&policy, &client)?;
        self.found.push(format!("the policy reports from the new device: {level}"));
        let done = self.ask(WEATHER, &client, What::GroupQuery(group), Code::OK)?;
        ensure!(done.readings.len() == 2, "the group has {} properties", done.readings.len());
        Ok(client)
    }

    fn overflow(&mut self, client: &ClientId) -> Result<()> {
        let what = || Ok::<_, anyhow::Error>(What::Query(vec![name("OSName")?]));
        for _ in 0..THRESHOLD {
            self.ask(MAPS, client, what()?, Code::OK)?;
        }
        let done = self.ask(MAPS, client, what()?, Code::WINDOW_OVERFLOW)?;
        let code = done.status.map(status).unwrap_or_default();
        self.found.push(format!("{THRESHOLD} requests within {} s, and no more: {code}", self.pace.window_seconds));
        Ok(())
    }

    fn silence(&mut self, client: &ClientId) -> Result<()> {
        self.stage.cut_off(NEW)?;
        let done = self.ask(MAPS, client, What::Query(vec![name("batteryLevel")?]), Code::NOT_RESPONDING)?;
        let code = done.status.map(status).unwrap_or_default();
        self.found.push(format!("asked, asked again, and given up: {code}"));
        Ok(())
    }

    /// Sets a policy that reports when the battery is nearly empty.
    fn watch(&mut self, client: &ClientId, policy: &str, seconds: u32) -> Result<dpe3::PolicyId> {
        let policy = dpe3::PolicyId::try_from(policy)?;
        let terms = Terms::new("Threshold", &[("operator", "lt"), ("value", "20")]);
        let watched = Watched::Property(name("batteryLevel")?);
        self.ask(WEATHER, client, What::PolicySet(policy.clone(), watched, terms, Some(seconds)), Code::OK)?;
        Ok(policy)
    }

    fn sample(&mut self, phone: usize, level: i64) -> Result<()> {
        let reading = Reading::of(name("batteryLevel")?, Value::integer(level));
        self.stage.worth(phone, reading.clone())?;
        self.stage.phone(phone, client::Input::Sampled(vec![reading]))?;
        self.stage.pass(self.pace.step)
    }

    /// What the next report of a policy says.
    fn reported(&mut self, policy: &dpe3::PolicyId, client: &ClientId) -> Result<String> {
        let of_this = |output: &Output| match output {
            Output::Reported(report) if report.policy == *policy && report.client == *client => {
                Some(values(&report.readings))
            }
            _ => None,
        };
        self.until("a report", |story| Ok(story.told[WEATHER].iter().find_map(of_this)))
    }

    /// Waits until a client is registered.
    fn registered(&mut self, phone: usize) -> Result<ClientId> {
        self.until("the registration", |story| {
            let view = story.stage.view(phone)?;
            Ok(view.client.filter(|_| view.phase == PhaseKind::Registered))
        })
    }

    /// Lets an SP ask, and waits for the end, which must be this one.
    fn ask(&mut self, provider: usize, client: &ClientId, what: What, expected: Code) -> Result<Done> {
        self.asked += 1;
        let tag = self.asked.to_string();
        let request = sp::Request { tag: tag.clone(), client: Some(client.clone()), what };
        self.stage.provider(provider, sp::Input::Request(request))?;
        let done = self.until("an answer", |story| {
            let mut done = story.told.iter().flatten().filter_map(|output| match output {
                Output::Done(done) if done.tag == tag => Some(done.clone()),
                _ => None,
            });
            Ok(done.next())
        })?;
        ensure!(done.status == Some(expected), "request {tag} came to {:?} instead of {expected:?}", done.status);
        Ok(done)
    }

    /// Waits until this gives something.
    fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Result<Option<T>>) -> Result<T> {
        let mut waited = 0;
        loop {
            self.listen();
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            if waited > self.pace.patience.0 {
                bail!("{what} did not come within {} s", self.pace.patience.0 / 1000);
            }
            self.stage.pass(self.pace.step)?;
            waited += self.pace.step.0;
        }
    }

    fn listen(&mut self) {
        for (provider, told) in self.told.iter_mut().enumerate() {
            told.extend(self.stage.told(provider));
        }
        self.said.extend(self.stage.said());
    }

    /// How many messages went to a client in this scene.
    fn asked_of(&mut self, phone: usize) -> usize {
        self.listen();
        self.said.iter().filter(|said| said.to == Who::Phone(phone)).count()
    }
}

/// Something that may be waited for.
fn then(is_there: bool) -> Option<()> {
    is_there.then_some(())
}

/// Takes the first that is it, if there is one.
fn take(told: &mut Vec<Output>, is_it: impl FnMut(&Output) -> bool) -> Option<()> {
    told.iter().position(is_it).map(|place| drop(told.remove(place)))
}

fn values(readings: &[Reading]) -> String {
    let value = |reading: &Reading| {
        let values: Vec<_> = reading.values.iter().map(|value| value.text.as_str()).collect();
        format!("{} = {}", reading.name.as_str(), values.join(" "))
    };
    readings.iter().map(value).collect::<Vec<_>>().join(", ")
}
