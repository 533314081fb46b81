%% Buffers whose temporary directory is full: a file system of four megabytes
%% that only the program sees, or, where nobody may mount one, a limit on the
%% size of its files.
-module(py_buffer_disk_SUITE).

-compile([export_all, nowarn_export_all]).

-import(py_buffer_case, [call/3]).

-define(MB, (1 bsl 20)).
-define(DISK_MB, 4).
-define(TRIES_MAX, 1000).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [a_full_disk_is_told_to_the_writer_and_to_the_reader,
     what_reached_the_full_disk_can_be_read,
     a_full_disk_leaves_other_buffers_alone,
     a_buffer_that_is_gone_gives_its_room_back].

init_per_testcase(_, Config) ->
    Dir = proplists:get_value(priv_dir, Config),
    Wrapper = filename:join(Dir, "small_disk.sh"),
    Mount = filename:join(Dir, "disk"),
    ok = filelib:ensure_dir(filename:join(Mount, "x")),
    ok = file:write_file(Wrapper, wrapper(Mount)),
    ok = file:change_mode(Wrapper, 8#755),
    py_buffer_case:start([{program, Wrapper}], Config).

end_per_testcase(_, Config) ->
    py_case:stop(Config).

%% The last of two equal options counts.
wrapper(Mount) ->
    Program = filename:join(code:priv_dir(pyport), "pyport"),
    io_lib:format(
        "#!/bin/sh\n"
        "small='mount -t tmpfs -o size=~bm tmpfs \"$0\" && exec \"$@\"'\n"
        "set -- '~ts' \"$@\" '--tmp-dir=~ts'\n"
        "if unshare -rm true 2>/dev/null; then\n"
        "    exec unshare -rm sh -c \"$small\" '~ts' \"$@\"\n"
        "fi\n"
        "ulimit -f ~b\n"
        "exec \"$@\"\n",
        [?DISK_MB, Program, Mount, Mount, ?DISK_MB * 1024]
    ).

a_full_disk_is_told_to_the_writer_and_to_the_reader(Config) ->
    {ok, Buffer} = py_buffer:new(#{retain => all}),
    {error, no_space} = fill(Buffer, ?TRIES_MAX),
    {error, no_space} = py_buffer:write(Buffer, <<"more">>),
    #{state := no_space} = py_buffer:info(Buffer),
    %% Never a body that looks complete.
    {error, {'OSError', Why}} = call(Config, everything, [Buffer]),
    {match, _} = re:run(Why, "its temporary file cannot grow"),
    ok = py_buffer:close(Buffer).

what_reached_the_full_disk_can_be_read(Config) ->
    {ok, Buffer} = py_buffer:new(#{retain => all}),
    {error, no_space} = fill(Buffer, ?TRIES_MAX),
    #{unread := Unread} = py_buffer:info(Buffer),
    true = Unread >= ?MB,
    Part = binary:copy(<<"x">>, ?MB),
    {ok, Part} = call(Config, exactly, [Buffer, ?MB]).

a_full_disk_leaves_other_buffers_alone(Config) ->
    {ok, Full} = py_buffer:new(#{retain => all}),
    {error, no_space} = fill(Full, ?TRIES_MAX),
    {ok, Other} = py_buffer:new(),
    ok = py_buffer:write(Other, <<"in memory">>),
    ok = py_buffer:close(Other),
    {ok, <<"in memory">>} = call(Config, everything, [Other]).

a_buffer_that_is_gone_gives_its_room_back(Config) ->
    {Owner, Monitor} = spawn_monitor(fun() ->
        {ok, Full} = py_buffer:new(#{retain => all}),
        {error, no_space} = fill(Full, ?TRIES_MAX)
    end),
    receive
        {'DOWN', Monitor, process, Owner, normal} -> ok
    end,
    Body = rand:bytes(2 * ?MB),
    {ok, Buffer} = py_buffer:new(byte_size(Body)),
    ok = py_buffer:write(Buffer, Body),
    ok = py_buffer:close(Buffer),
    {ok, Body} = call(Config, everything, [Buffer]).

%% Internal.

%% The first writes are on their way when the disk is full.
fill(Buffer, Left) when Left > 0 ->
    case py_buffer:write(Buffer, binary:copy(<<"x">>, ?MB)) of
        ok -> fill(Buffer, Left - 1);
        Error -> Error
    end.
