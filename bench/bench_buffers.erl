%% Buffers: from a writing process to Python's read, beside a bare unix socket
%% and plain memcpy; bodies of a known length; lines.
-module(bench_buffers).

-export([stream/0, bodies/0]).
%% bench_buffers_held, bench_channels
-export([start/0, through/3, write/3, now_us/0, bare_lane/2]).

-define(STREAM_BYTES, (256 bsl 20)).
-define(STREAM_RUNS, 5).
-define(BODY_BYTES, (64 bsl 20)).
-define(MEGABYTE, (1 bsl 20)).
-define(CHUNK_BYTES, (1 bsl 16)).
-define(READ_BYTES, 65536).
-define(LINES, 1000000).
-define(CALL_MS, 300000).
-define(GIGA, 1.0e9).

%% Throughput

-spec stream() -> [bench_figure:figure()].
stream() ->
    ok = start(),
    lists:append([stream(Size) || Size <- sizes()]) ++ standard_files().

-spec sizes() -> [{string(), pos_integer(), number(), number()}].
sizes() ->
    [
        {"4 KB", 4096, 0.9, 2},
        {"64 KB", 65536, 3.5, 7},
        {"1 MB", ?MEGABYTE, 4.0, 8}
    ].

-spec stream({string(), pos_integer(), number(), number()}) ->
    [bench_figure:figure()].
stream({Name, Bytes, Bar, Aim}) ->
    Chunk = binary:copy(<<"x">>, Bytes),
    Count = ?STREAM_BYTES div Bytes,
    Through = [through(Chunk, Count, #{}) || _ <- runs()],
    Bare = [bare_lane(Chunk, Count) || _ <- runs()],
    [
        bench_figure:new(
            "256 MB in chunks of " ++ Name,
            bench_figure:median(Through),
            "GB/s",
            {at_least, Bar},
            {at_least, Aim}
        ),
        bench_figure:new(
            "the same, bare unix socket, thrown away",
            bench_figure:median(Bare),
            "GB/s"
        ),
        bench_figure:new("the same, plain memcpy", memcpy(Bytes), "GB/s")
    ].

-spec runs() -> [pos_integer()].
runs() -> lists:seq(1, ?STREAM_RUNS).

%% From the first write to the answer of the reader that saw the end.
-spec through(binary(), pos_integer(), map()) -> float().
through(Chunk, Count, Options) ->
    {ok, Buffer} = py_buffer:new(Options),
    Call = py:spawn_call(bench_buffers, drain, [Buffer, ?READ_BYTES]),
    Started = now_us(),
    ok = write(Buffer, Chunk, Count),
    ok = py_buffer:close(Buffer),
    Bytes = Count * byte_size(Chunk),
    {ok, Bytes} = py:await(Call, ?CALL_MS),
    Bytes / (now_us() - Started) * 1.0e6 / ?GIGA.

-spec write(reference(), binary(), non_neg_integer()) -> ok.
write(_, _, 0) ->
    ok;
write(Buffer, Chunk, Left) ->
    ok = py_buffer:write(Buffer, Chunk),
    write(Buffer, Chunk, Left - 1).

-spec bare_lane(binary(), pos_integer()) -> float().
bare_lane(Chunk, Count) ->
    Path = filename:absname("build/bench/lane"),
    _ = file:delete(Path),
    {ok, Listen} = gen_tcp:listen(0, [
        {ifaddr, {local, Path}},
        binary,
        {active, false},
        {sndbuf, 4 bsl 20}
    ]),
    Sink = open_port({spawn_executable, sink()}, [{args, [Path]}, exit_status]),
    {ok, Socket} = gen_tcp:accept(Listen),
    Started = now_us(),
    ok = send(Socket, Chunk, Count),
    ok = gen_tcp:shutdown(Socket, write),
    {ok, <<"e">>} = gen_tcp:recv(Socket, 1),
    Us = now_us() - Started,
    receive
        {Sink, {exit_status, 0}} -> ok
    end,
    ok = gen_tcp:close(Socket),
    ok = gen_tcp:close(Listen),
    ok = file:delete(Path),
    Count * byte_size(Chunk) / Us * 1.0e6 / ?GIGA.

-spec send(gen_tcp:socket(), binary(), non_neg_integer()) -> ok.
send(_, _, 0) ->
    ok;
send(Socket, Chunk, Left) ->
    ok = gen_tcp:send(Socket, Chunk),
    send(Socket, Chunk, Left - 1).

-spec sink() -> file:filename().
sink() -> filename:absname("build/bench/bulk_sink").

-spec memcpy(pos_integer()) -> float().
memcpy(Bytes) ->
    Command = lists:join(" ", [
        sink(),
        "memcpy",
        integer_to_list(4 * ?STREAM_BYTES),
        integer_to_list(Bytes)
    ]),
    list_to_integer(string:trim(os:cmd(lists:append(Command)))) / 1000.

-spec standard_files() -> [bench_figure:figure()].
standard_files() ->
    {ok, #{<<"bytesio">> := BytesIo, <<"spooled">> := Spooled}} = py:call(
        bench_buffers,
        standard_files,
        [?STREAM_BYTES, ?CHUNK_BYTES],
        #{},
        ?CALL_MS
    ),
    [
        bench_figure:new(
            "io.BytesIO in Python, 64 KB", BytesIo / 1000, "GB/s"
        ),
        bench_figure:new(
            "SpooledTemporaryFile in Python, 64 KB", Spooled / 1000, "GB/s"
        )
    ].

%% Bodies of a known length, and lines

-spec bodies() -> [bench_figure:figure()].
bodies() ->
    ok = start(),
    OsPid = bench_os:host_pid(),
    Body = binary:copy(<<"0123456789abcdef">>, ?BODY_BYTES div 16),
    {ok, _} = py:call(bench_buffers, ready, []),
    Before = bench_os:rss_kb(OsPid),
    {ok, Buffer} = py_buffer:new(?BODY_BYTES),
    ok = py_buffer:write(Buffer, Body),
    ok = py_buffer:close(Buffer),
    {ok, #{<<"bytes">> := ?BODY_BYTES, <<"same_address">> := Same}} =
        py:call(bench_buffers, address_and_digest, [Buffer]),
    After = bench_os:rss_kb(OsPid),
    [
        bench_figure:new(
            "64 MB body, two views and sha256: RSS added, in bodies",
            (After - Before) * 1024 / ?BODY_BYTES,
            "x",
            {at_most, 1.25},
            none
        ),
        bench_figure:new(
            "two views of it at one address (1: yes)",
            case Same of
                true -> 1;
                false -> 0
            end,
            "",
            {at_least, 1},
            none
        )
        | lines()
    ].

-spec lines() -> [bench_figure:figure()].
lines() ->
    Content = iolist_to_binary([
        [<<"line ">>, integer_to_binary(N), $\n]
     || N <- lists:seq(1, ?LINES)
    ]),
    {ok, Buffer} = py_buffer:new(byte_size(Content)),
    ok = py_buffer:write(Buffer, Content),
    ok = py_buffer:close(Buffer),
    {ok, #{<<"buffer">> := Ours, <<"bytesio">> := Theirs}} = py:call(
        bench_buffers,
        lines_beside_bytesio,
        [Buffer, {bytes, Content}],
        #{},
        ?CALL_MS
    ),
    [
        bench_figure:new(
            "readline over 1,000,000 lines, against io.BytesIO",
            Ours / Theirs,
            "x",
            {at_least, 0.7},
            {at_least, 1.2}
        ),
        bench_figure:new("readline", Ours / 1.0e6, "M/s")
    ].

%% Internal

-spec start() -> ok.
start() ->
    _ = application:load(pyport),
    ok = application:set_env(pyport, paths, [filename:absname("bench/python")]),
    {ok, _} = application:ensure_all_started(pyport),
    ok.

-spec now_us() -> integer().
now_us() -> erlang:monotonic_time(microsecond).
