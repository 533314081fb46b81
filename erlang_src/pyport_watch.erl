%% @private
%% @doc The watch of a link over a program that may have stopped reading or
%% answering. Pure, but for the one timer, which runs only while something
%% is in flight.
-module(pyport_watch).

-export([new/1, arm/1, fired/1, heard/1, restart/1, verdict/2]).

-export_type([watch/0]).

-record(watch, {
    silence_ms :: pos_integer(),
    ping_timeout_ms :: pos_integer(),
    armed = false :: boolean(),
    heard = false :: boolean(),
    ping_ms = none :: none | integer()
}).
-opaque watch() :: #watch{}.

-spec new(#{silence := pos_integer(), ping_timeout := pos_integer(),
            _ => _}) -> watch().
new(#{silence := SilenceMs, ping_timeout := PingTimeoutMs}) ->
    #watch{silence_ms = SilenceMs, ping_timeout_ms = PingTimeoutMs}.

%% @doc Makes sure that the calling process gets the message `tick'. The
%% silence is counted from here.
-spec arm(watch()) -> watch().
arm(#watch{armed = true} = Watch) ->
    Watch;
arm(#watch{silence_ms = Ms} = Watch) ->
    _ = erlang:send_after(Ms, self(), tick),
    Watch#watch{armed = true, heard = true}.

-spec fired(watch()) -> watch().
fired(Watch) -> Watch#watch{armed = false}.

-spec heard(watch()) -> watch().
heard(Watch) -> Watch#watch{heard = true, ping_ms = none}.

%% @doc Another program: what the last one owed us is forgotten.
-spec restart(watch()) -> watch().
restart(Watch) -> Watch#watch{heard = true, ping_ms = none}.

%% @doc What to do after a tick while something is in flight: nothing, ask
%% whether anybody is there, or give up.
-spec verdict(integer(), watch()) -> {wait | ping | dead, watch()}.
verdict(NowMs, #watch{heard = Heard, ping_ms = PingMs,
                      ping_timeout_ms = TimeoutMs} = Watch0) ->
    Watch = (arm(Watch0))#watch{heard = false},
    if
        is_integer(PingMs), NowMs - PingMs >= TimeoutMs -> {dead, Watch};
        is_integer(PingMs) -> {wait, Watch};
        Heard -> {wait, Watch};
        true -> {ping, Watch#watch{ping_ms = NowMs}}
    end.
