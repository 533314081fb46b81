#!/usr/bin/env escript
%% Streams a CSV file, plain or gzipped, from Erlang into Python, which
%% unpacks, parses and digests it while it arrives:
%%     escript examples/stream_file.escript [FILE | MEGABYTES]
%% Without a file it makes so many megabytes of CSV and gzips them on the way.
%% Neither side ever holds more than a few megabytes of it.
-mode(compile).

-define(MEGABYTES, 32).
-define(CHUNK_BYTES, (256 bsl 10)).
-define(REPORT_MS, 600000).
-define(PROGRESS_MS, 500).
-define(ROWS_PER_CHUNK, 4096).

main([]) ->
    main([integer_to_list(?MEGABYTES)]);
main([Argument]) ->
    case filelib:is_regular(Argument) of
        true -> stream(Argument, file_source(Argument));
        false -> made(Argument, string:to_integer(Argument))
    end;
main(_) ->
    stop("usage: stream_file.escript [FILE | MEGABYTES]", []).

made(_, {Megabytes, []}) when Megabytes > 0 ->
    stream(io_lib:format("~B MB of CSV, gzipped", [Megabytes]),
        made_source(Megabytes bsl 20));
made(Argument, _) ->
    stop("~ts: no such file, and no number of megabytes", [Argument]).

stop(Format, Args) ->
    io:format(standard_error, Format ++ "~n", Args),
    halt(64).

stream(Title, Source) ->
    ok = logger:set_primary_config(level, error),
    ok = start(),
    io:format("~ts~n", [Title]),
    Base = rss(),
    {ok, Buffer} = py_buffer:new(),
    %% The report begins before there is anything to report on.
    Call = py:spawn_call(stream_report, report, [Buffer]),
    Started = now_ms(),
    {Bytes, Peak} = write(Source, Buffer, {Started, 0, Started, Base}),
    ok = py_buffer:close(Buffer),
    {ok, Report} = py:await(Call, ?REPORT_MS),
    Seconds = max(1, now_ms() - Started) / 1000,
    #{<<"bytes">> := Bytes, <<"rows">> := Rows, <<"columns">> := Columns,
        <<"sha256">> := Digest} = Report,
    io:format("~n  ~B rows of up to ~B columns, sha256 ~ts~n",
        [Rows, Columns, Digest]),
    io:format("  ~.1f MB in ~.1f s; memory of the program: ~.1f MB before,"
        " ~.1f MB at most~n",
        [mb(Bytes), Seconds, mb(Base), mb(Peak)]),
    ok = application:stop(pyport).

%% write/2 waits where Python does not keep up: that is all there is to it.
write(Source, Buffer, {Started, Bytes, Shown, Peak} = State) ->
    case Source() of
        {Chunk, Next} ->
            ok = py_buffer:write(Buffer, Chunk),
            Sum = Bytes + iolist_size(Chunk),
            write(Next, Buffer, progress(Started, Sum, Shown, Peak));
        eof ->
            {element(2, State), max(Peak, rss())}
    end.

progress(Started, Bytes, Shown, Peak) ->
    case now_ms() of
        Now when Now - Shown < ?PROGRESS_MS ->
            {Started, Bytes, Shown, Peak};
        Now ->
            Rss = rss(),
            io:format("  ~8.1f MB  ~6.1f MB/s  memory of the program"
                " ~5.1f MB~n",
                [mb(Bytes), mb(Bytes) * 1000 / (Now - Started), mb(Rss)]),
            {Started, Bytes, Now, max(Peak, Rss)}
    end.

%% A source is a fun that answers {Chunk, NextSource} or eof.
file_source(File) ->
    {ok, Device} = file:open(File, [read, raw, binary]),
    fun() -> next_block(Device) end.

next_block(Device) ->
    case file:read(Device, ?CHUNK_BYTES) of
        {ok, Block} -> {Block, fun() -> next_block(Device) end};
        eof -> eof
    end.

made_source(Bytes) ->
    Zip = zlib:open(),
    %% 16 more than the window bits asks for a gzip header.
    ok = zlib:deflateInit(Zip, 1, deflated, 16 + 15, 8, default),
    fun() -> next_rows(Zip, 0, Bytes) end.

next_rows(_, _, done) ->
    eof;
next_rows(Zip, Row, Left) when Left > 0 ->
    Last = Row + ?ROWS_PER_CHUNK,
    Rows = iolist_to_binary([row(N) || N <- lists:seq(Row, Last - 1)]),
    {zlib:deflate(Zip, Rows),
        fun() -> next_rows(Zip, Last, Left - byte_size(Rows)) end};
next_rows(Zip, Row, _) ->
    {zlib:deflate(Zip, [], finish), fun() -> next_rows(Zip, Row, done) end}.

row(N) ->
    io_lib:format("~B,name ~B,\"~B, quoted\",~.3f\r\n",
        [N, N rem 977, N * 31, math:sqrt(N)]).

%% Finds the application beside this file, or by ERL_LIBS where installed.
start() ->
    Here = filename:dirname(filename:absname(escript:script_name())),
    Built = filename:join([Here, "..", "_build", "default", "lib", "pyport"]),
    _ = code:add_patha(filename:join(Built, "ebin")),
    ok = application:load(pyport),
    ok = application:set_env(pyport, paths, [filename:join(Here, "python")]),
    {ok, _} = application:ensure_all_started(pyport),
    ok.

rss() ->
    lists:max([maps:get(rss_bytes, Host, 0) || Host <- hosts()]).

hosts() ->
    py:host_info().

mb(Bytes) ->
    Bytes / (1 bsl 20).

now_ms() ->
    erlang:monotonic_time(millisecond).
