%% What buffers hold on to: memory of both sides under a reader that is slow,
%% and what is left of many.
-module(bench_buffers_held).

-export([bounded/0, many/0]).

-define(LONG_BYTES, (4 bsl 30)).
-define(MEGABYTE, (1 bsl 20)).
-define(READ_BYTES, 65536).
-define(OWNERS, 64).
-define(OWNERS_MS, 3000).
-define(MANY, 100000).
-define(MANY_AT_ONCE, 100).
-define(SAMPLE_MS, 20).
-define(CALL_MS, 300000).
-define(GIGA, 1.0e9).

%% What is held

-spec bounded() -> [bench_figure:figure()].
bounded() ->
    ok = bench_buffers:start(),
    OsPid = bench_os:host_pid(),
    Chunk = binary:copy(<<"x">>, ?MEGABYTE),
    _ = bench_buffers:through(Chunk, 64, #{}),
    Streamed = watch(OsPid, fun() ->
        bench_buffers:through(Chunk, ?LONG_BYTES div ?MEGABYTE, #{})
    end),
    Spilled = watch(OsPid, fun() -> spilled(Chunk) end),
    Held = watch(OsPid, fun() -> held(Chunk) end),
    long_figures(Streamed, Spilled, Held) ++ [disk()].

%% The same bytes into a file in the same directory, without any of us.
-spec disk() -> bench_figure:figure().
disk() ->
    File = filename:join(pyport_tmp:default(), "pyport-bench"),
    Count = integer_to_list(?LONG_BYTES div ?MEGABYTE),
    Started = bench_buffers:now_us(),
    _ = os:cmd("dd if=/dev/zero of=" ++ File ++ " bs=1M count=" ++ Count),
    Us = bench_buffers:now_us() - Started,
    ok = file:delete(File),
    bench_figure:new(
        "4 GB by dd on that disk", ?LONG_BYTES / Us * 1.0e6 / ?GIGA, "GB/s"
    ).

-spec long_figures(watched(), watched(), watched()) -> [bench_figure:figure()].
long_figures({Speed, Streamed, _}, {SpillSpeed, Spilled, _}, {_, Held, Beam}) ->
    [
        bench_figure:new("4 GB through a reader", Speed, "GB/s"),
        bench_figure:new(
            "  peak RSS of the program over its base",
            Streamed,
            "MB",
            {at_most, 32},
            {at_most, 16}
        ),
        bench_figure:new(
            "4 GB written before the reader reads, on disk",
            SpillSpeed,
            "GB/s",
            {at_least, 1},
            {at_least, 3}
        ),
        bench_figure:new(
            "  peak RSS of the program over its base",
            Spilled,
            "MB",
            {at_most, 33},
            none
        ),
        bench_figure:new(
            "reader asleep, 1 GB: RSS of the program over its base",
            Held,
            "MB",
            {at_most, 33},
            none
        ),
        bench_figure:new(
            "  memory of the BEAM over its base",
            Beam,
            "MB",
            {at_most, 32},
            none
        )
    ].

%% The speed of the writer: the reader takes its first byte when all is there.
-spec spilled(binary()) -> float().
spilled(Chunk) ->
    {ok, Buffer} = py_buffer:new(#{retain => unread}),
    Started = bench_buffers:now_us(),
    ok = bench_buffers:write(Buffer, Chunk, ?LONG_BYTES div ?MEGABYTE),
    ok = py_buffer:close(Buffer),
    #{written := ?LONG_BYTES} = py_buffer:info(Buffer),
    Us = bench_buffers:now_us() - Started,
    {ok, ?LONG_BYTES} = py:call(
        bench_buffers, drain, [Buffer, ?READ_BYTES], #{}, ?CALL_MS
    ),
    ?LONG_BYTES / Us * 1.0e6 / ?GIGA.

-spec held(binary()) -> float().
held(Chunk) ->
    {ok, Buffer} = py_buffer:new(#{retain => unread}),
    Args = [Buffer, ?READ_BYTES, 2.0],
    Call = py:spawn_call(bench_buffers, drain_after, Args),
    ok = bench_buffers:write(Buffer, Chunk, 1024),
    ok = py_buffer:close(Buffer),
    {ok, _} = py:await(Call, ?CALL_MS),
    0.0.

-type watched() :: {float(), RssMb :: float(), BeamMb :: float()}.

%% Runs Fun; how much the program's RSS and the BEAM's memory grew at most.
-spec watch(pos_integer(), fun(() -> float())) -> watched().
watch(OsPid, Fun) ->
    _ = [erlang:garbage_collect(Pid) || Pid <- erlang:processes()],
    Rss = bench_os:rss_kb(OsPid),
    Beam = erlang:memory(total),
    Parent = self(),
    Runner = spawn_link(fun() -> Parent ! {self(), Fun()} end),
    sample(Runner, OsPid, {Rss, Beam}, {Rss, Beam}).

-spec sample(pid(), pos_integer(), Sizes, Sizes) -> watched() when
    Sizes :: {non_neg_integer(), non_neg_integer()}.
sample(Runner, OsPid, {Rss, Beam} = Base, {RssMax, BeamMax}) ->
    receive
        {Runner, Value} ->
            {Value, (RssMax - Rss) / 1024, (BeamMax - Beam) / ?MEGABYTE}
    after ?SAMPLE_MS ->
        Now = {
            max(RssMax, bench_os:rss_kb(OsPid)),
            max(BeamMax, erlang:memory(total))
        },
        sample(Runner, OsPid, Base, Now)
    end.

%% Many

-spec many() -> [bench_figure:figure()].
many() ->
    ok = bench_buffers:start(),
    OsPid = bench_os:host_pid(),
    Cycles = cycles(),
    ok = drop(1000),
    Before = kept(OsPid),
    ok = drop(?MANY),
    After = kept(OsPid),
    [
        bench_figure:new(
            "new, write 100 bytes, read, close: 64 owners",
            Cycles,
            "/s",
            {at_least, 50000},
            {at_least, 200000}
        )
        | [
            bench_figure:new(
                "left of 100,000 dropped buffers: " ++ Name,
                max(0, Last - First),
                Unit,
                {at_most, Noise},
                none
            )
         || {{Name, Unit, Noise, First}, {Name, Unit, Noise, Last}} <-
                lists:zip(Before, After)
        ]
    ].

-spec cycles() -> float().
cycles() ->
    Until = bench_buffers:now_us() + ?OWNERS_MS * 1000,
    Started = bench_buffers:now_us(),
    Owners = [
        spawn_monitor(fun() -> exit({cycles, cycle(Until, 0)}) end)
     || _ <- lists:seq(1, ?OWNERS)
    ],
    Counts = [
        receive
            {'DOWN', Ref, process, Pid, {cycles, Count}} -> Count
        end
     || {Pid, Ref} <- Owners
    ],
    lists:sum(Counts) * 1.0e6 / (bench_buffers:now_us() - Started).

-spec cycle(integer(), non_neg_integer()) -> non_neg_integer().
cycle(Until, Count) ->
    {ok, Buffer} = py_buffer:new(),
    ok = py_buffer:write(Buffer, <<0:800>>),
    ok = py_buffer:close(Buffer),
    {ok, 100} = py:call(bench_buffers, read_and_close, [Buffer]),
    case bench_buffers:now_us() < Until of
        true -> cycle(Until, Count + 1);
        false -> Count + 1
    end.

%% Owners that make a buffer, use it and die.
-spec drop(non_neg_integer()) -> ok.
drop(0) ->
    settled();
drop(Left) ->
    Owners = [
        spawn_monitor(fun() -> use() end)
     || _ <- lists:seq(1, ?MANY_AT_ONCE)
    ],
    ok = bench_wait:ended(Owners),
    drop(Left - ?MANY_AT_ONCE).

-spec use() -> ok.
use() ->
    {ok, Buffer} = py_buffer:new(),
    ok = py_buffer:write(Buffer, <<"some bytes\nand more">>),
    {ok, <<"some bytes\n">>} = py:call(bench_buffers, first_line, [Buffer]),
    ok.

%% The last owners' buffers go when the link has seen them die.
-spec settled() -> ok.
settled() ->
    {ok, _} = py:call(gc, collect, []),
    case [N || #{buffers := N} <- py:host_info(), N > 0] of
        [] -> ok;
        _ -> settled()
    end.

-spec kept(pos_integer()) -> [{string(), string(), number(), number()}].
kept(OsPid) ->
    Proc = filename:join("/proc", integer_to_list(OsPid)),
    {ok, Descriptors} = file:list_dir(filename:join(Proc, "fd")),
    {ok, Maps} = file:read_file(filename:join(Proc, "maps")),
    [
        {"descriptors", "", 0, length(Descriptors)},
        {"mappings", "", 2, length(binary:matches(Maps, <<"\n">>))},
        {"memory of the program", "MB", 2, bench_os:rss_kb(OsPid) / 1024},
        {"memory of the BEAM", "MB", 2, erlang:memory(total) / ?MEGABYTE}
    ].
