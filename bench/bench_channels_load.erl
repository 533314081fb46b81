%% Steady load on one channel: senders that are stopped when too much is
%% outstanding, and a reader in Python that says what it took. The reader
%% counts messages in windows of one second; the first second does not count.
-module(bench_channels_load).

-export([rates/1, steady/4]).

-export_type([load/0]).

%% `step': the reader tells of so many at once. `held_max': so many messages
%% may be outstanding; `none' for senders that wait by themselves.
-type load() :: #{
    channel := reference(),
    send := fun((reference(), binary()) -> ok | busy),
    close := fun((reference()) -> ok),
    bytes := pos_integer(),
    senders := pos_integer(),
    step := pos_integer(),
    held_max := pos_integer() | none
}.

%% Positions in the array that senders and counter share.
-define(STOP, 1).
-define(SENT, 2).
-define(TAKEN, 3).
-define(BURST, 256).
-define(RUN_MS, 12000).
-define(CALL_MS, 60000).

%% Messages per second, in each of ten windows of one second.
-spec rates(load()) -> [non_neg_integer(), ...].
rates(#{channel := Channel, senders := Senders, step := Step} = Load) ->
    Shared = atomics:new(3, []),
    Counter = spawn_link(fun() -> count(Shared) end),
    Reader = py:spawn_call(bench_channels, consume, [Channel, Counter, Step]),
    Message = binary:copy(<<"x">>, maps:get(bytes, Load)),
    Running = [
        spawn_monitor(fun() -> send_until_stop(Load, Message, Shared) end)
     || _ <- lists:seq(1, Senders)
    ],
    timer:sleep(?RUN_MS),
    ok = atomics:put(Shared, ?STOP, 1),
    ok = bench_wait:ended(Running),
    ok = (maps:get(close, Load))(Channel),
    {ok, Rates} = py:await(Reader, ?CALL_MS),
    true = unlink(Counter),
    true = exit(Counter, kill),
    Rates.

-spec count(atomics:atomics_ref()) -> no_return().
count(Shared) ->
    receive
        Taken when is_integer(Taken) -> atomics:add(Shared, ?TAKEN, Taken)
    end,
    count(Shared).

-spec send_until_stop(load(), binary(), atomics:atomics_ref()) -> ok.
send_until_stop(Load, Message, Shared) ->
    #{channel := Channel, send := Send, held_max := HeldMax} = Load,
    case {atomics:get(Shared, ?STOP), has_room(HeldMax, Shared)} of
        {1, _} ->
            ok;
        {0, true} ->
            ok = atomics:add(Shared, ?SENT, ?BURST),
            ok = burst(Send, Channel, Message, ?BURST),
            send_until_stop(Load, Message, Shared);
        {0, false} ->
            timer:sleep(1),
            send_until_stop(Load, Message, Shared)
    end.

-spec has_room(pos_integer() | none, atomics:atomics_ref()) -> boolean().
has_room(none, _) ->
    true;
has_room(HeldMax, Shared) ->
    atomics:get(Shared, ?SENT) - atomics:get(Shared, ?TAKEN) < HeldMax.

-spec burst(Send, reference(), binary(), non_neg_integer()) -> ok when
    Send :: fun((reference(), binary()) -> ok | busy).
burst(_, _, _, 0) ->
    ok;
burst(Send, Channel, Message, Left) ->
    case Send(Channel, Message) of
        ok ->
            burst(Send, Channel, Message, Left - 1);
        busy ->
            timer:sleep(1),
            burst(Send, Channel, Message, Left)
    end.

%% The median as a figure in millions per second, and how far below it the
%% slowest window was.
-spec steady(string(), [number(), ...], number(), number()) ->
    [bench_figure:figure()].
steady(Name, Rates, Bar, Aim) ->
    Median = bench_figure:median(Rates),
    [
        bench_figure:new(
            Name, Median / 1.0e6, "M/s", {at_least, Bar}, {at_least, Aim}
        ),
        bench_figure:new(
            Name ++ ", slowest of ten seconds / median",
            lists:min(Rates) / max(1, Median),
            "x",
            {at_least, 0.6},
            none
        )
    ].
