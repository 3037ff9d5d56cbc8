//! What `cargo xtask sim --help` says.

pub(super) const HELP: &str = "\
Runs worlds of OMA DM and OMA DPE in a simulated network, seed after seed, and judges them by the rules D01 to D48 and P01
to P36. Without options: 1000 seeds of the scenario `worlds`.

Usage: cargo xtask sim [--scenario NAME] [--seeds N] [--first S] [--minutes M] [--mode MODE] [--twice] [--shrink] [--jobs N]
       cargo xtask sim [--scenario NAME] --seed S [--trace FILE] [--shrink]
       cargo xtask sim [--scenario NAME] [--seeds N] --against-debug
       cargo xtask sim --replay FILE [--trace FILE]
       cargo xtask sim --failed [--twice]
       cargo xtask sim --planted [NAME]... [--seeds N] [--draw]
       cargo xtask sim --devices N [--hours H] [--seed S] [--jobs N]

  --scenario NAME  what is simulated; the scenarios are told below
  --seeds N        how many seeds to run (1000)
  --first S        the first of them (0)
  --minutes M      begin seeds for so many minutes; with --seeds, that many at most
  --seed S         run this seed only
  --mode MODE      `converge`: all faults end, and what must come true then is judged; `safety`: faults go on to the end.
                   Each scenario has the mode that fits it; one that cannot have the other one says so
  --twice          run each world twice, and compare the two traces
  --shrink         make a failure as small as it can be, the first for each rule, for a minute at most: a recording for
                   --replay under target/sim, and a drawing of it as a sequence beside it
  --jobs N         worlds that run at the same time (as many as there are cores). The output does not depend on it
  --trace FILE     write the trace of that seed to FILE, or those of its worlds one after the other
  --digest FILE    write a line for each world to FILE: scenario, seed, SHA-256 of the trace. A debug build with this
                   option does the work itself
  --against-debug  have a debug build run the same seeds, and compare the traces
  --replay FILE    run a recording once more
  --failed         run every seed of transport-sim/seeds.txt, and every recording of transport-sim/seeds
  --planted        plant bugs and let the rules find them; `sim --planted --help` says more
  --devices N      a fleet of N devices, each with a session of its own in a day; `sim --devices N --help` says more
  --help           show this

Scenarios
  worlds     for each seed a world of `mixed` and one of `dpe-swarm`: every rule and every fault there is
  mixed      two or three devices and up to three services with orders of every kind, a server and a client that break
             the protocol, a copy of a device, and notifications and bootstraps, good and forged; four hours with the
             faults of a catalogue, half of them in each seed: of messages, links, nodes, disks and clocks; and then
             three rounds of sessions in which nothing goes wrong. Every rule D01 to D48 is judged
  dpe-swarm  8 devices and 3 service providers, with the faults of a catalogue, half of them in each seed: of messages,
             links, nodes, disks and clocks, and of parties that misbehave. Every rule P01 to P36 is judged
  session    a few commands of every kind, in one DM session
  objects    a value of 1 MiB each way in messages of 2 KiB, with crashes of server nodes and of some devices; both must
             arrive equal to the byte; objects-small has values of 8 KiB
  atomic     an Atomic whose last member fails, with crashes of server nodes and of the device, which may fall into the
             open Atomic; the tree must be as it was
  nonces     ten sessions; until the fifth or so three replies in ten are lost, and the server's store twice goes back by
             up to eight commits; no nonce may be given out twice, and of the first three sessions after that one must
             be completed on both sides
  dpe        20 devices and 4 service providers that ask them for everything DPE has, before the nodes of a stateless
             server; with crashes of all of them in half of the seeds, and users that change their devices. Every request
             must get exactly one answer, a client be asked one thing at a time, no identifier reach another provider,
             every policy expire once, and in the end every client be registered as the server believes; dpe-small has 3
             devices and 2 service providers

A seed decides everything that is left to chance. A seed fails if a rule is broken, if a world does not come to rest, if
something panics, or if a second run gives another trace; the line that runs it again is printed with it.

What never happened has tested nothing: the table lists faults that never took place and rules that never had anything to
judge as gaps. With 300 seeds or more of worlds, mixed or dpe-swarm a gap fails the run.

The last line says it all, as `sim: ok name=value ..` with exit code 0, or as `sim: FAILED name=value ..` with 1; what makes
no sense ends with 2. `rule-least` is how often the rarest rule had something to judge, and `fault-least` how often the
rarest fault took place. Outcomes of DM sessions are those of a device's last one; names that end in -max stand for the
worst seed, others for all seeds together. A debug build hands the work to a release build of itself.
";
