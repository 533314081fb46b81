#!/usr/bin/env escript
%% Shows how many messages pass through channels in each second:
%%     escript examples/channel_throughput.escript [SECONDS [BYTES [SENDERS]]]
%% Senders put terms of BYTES bytes into one channel and wait for room where
%% Python does not keep up. Python takes them one by one and sends a report
%% back through another channel, twice a second.
-mode(compile).

-define(SECONDS, 3).
-define(BYTES, 64).
-define(SENDERS, 1).
-define(WINDOW_BYTES, (4 bsl 20)).
-define(REPORT_MS, 60000).
-define(CHECK_EVERY, 100).

main(Arguments) ->
    case [string:to_integer(Argument) || Argument <- Arguments] of
        [] -> run(?SECONDS, ?BYTES, ?SENDERS);
        [{S, []}] when S > 0 -> run(S, ?BYTES, ?SENDERS);
        [{S, []}, {B, []}] when S > 0, B > 0 -> run(S, B, ?SENDERS);
        [{S, []}, {B, []}, {N, []}] when S > 0, B > 0, N > 0 -> run(S, B, N);
        _ -> stop("usage: channel_throughput.escript"
                  " [SECONDS [BYTES [SENDERS]]]", [])
    end.

stop(Format, Args) ->
    io:format(standard_error, Format ++ "~n", Args),
    halt(64).

run(Seconds, Bytes, Senders) ->
    ok = logger:set_primary_config(level, error),
    ok = start(),
    {ok, Context} = py_context:new(#{}),
    {ok, Messages} = py_channel:new(#{max_size => ?WINDOW_BYTES}),
    {ok, Reports} = py_channel:new(),
    %% Runs until the channel is closed: a call in a context has no deadline.
    Call = py:spawn_call(Context, channel_meter, measure, [Messages, Reports]),
    io:format("~B sender(s), terms of ~B bytes, ~B s~n",
        [Senders, Bytes, Seconds]),
    Until = now_ms() + Seconds * 1000,
    Sending = [spawn_monitor(fun() -> exit({sent, send(Messages,
        binary:copy(<<"x">>, Bytes), Until, 0)}) end)
        || _ <- lists:seq(1, Senders)],
    Taken = show(Reports, Sending, Messages),
    Sent = lists:sum([receive {'DOWN', Ref, process, Pid, {sent, N}} -> N end
        || {Pid, Ref} <- Sending]),
    {ok, Sent} = py:await(Call, ?REPORT_MS),
    io:format("~n  ~B messages sent, ~B taken~n", [Sent, Taken]),
    ok = py_context:stop(Context),
    ok = application:stop(pyport).

%% send/3 waits where there is no room: that is all there is to it.
send(Messages, Term, Until, Sent) ->
    ok = send_some(Messages, Term, ?CHECK_EVERY),
    case now_ms() < Until of
        true -> send(Messages, Term, Until, Sent + ?CHECK_EVERY);
        false -> Sent + ?CHECK_EVERY
    end.

send_some(_, _, 0) ->
    ok;
send_some(Messages, Term, Left) ->
    ok = py_channel:send(Messages, Term, infinity),
    send_some(Messages, Term, Left - 1).

%% A report is {Count, Seconds} since the one before it, and in the end the
%% sum. Who has seen all senders end closes the channel.
show(Reports, Sending, Messages) ->
    spawn_link(fun() ->
        [receive {'DOWN', Ref, process, _, _} -> ok end
            || Ref <- [monitor(process, Pid) || {Pid, _} <- Sending]],
        ok = py_channel:close(Messages)
    end),
    show(Reports).

show(Reports) ->
    case py_channel:recv(Reports, ?REPORT_MS) of
        {ok, {Count, Seconds}} ->
            io:format("  ~10B messages/s~n", [round(Count / Seconds)]),
            show(Reports);
        {ok, Total} ->
            Total
    end.

%% Finds the application beside this file, or by ERL_LIBS where installed.
start() ->
    Here = filename:dirname(filename:absname(escript:script_name())),
    Built = filename:join([Here, "..", "_build", "default", "lib", "pyport"]),
    _ = code:add_patha(filename:join(Built, "ebin")),
    ok = application:load(pyport),
    ok = application:set_env(pyport, paths, [filename:join(Here, "python")]),
    {ok, _} = application:ensure_all_started(pyport),
    ok.

now_ms() ->
    erlang:monotonic_time(millisecond).
