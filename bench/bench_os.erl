%% What /proc says about a process, and bare Python processes to compare with.
-module(bench_os).

-export([host_pid/0, rss_kb/1, private_kb/1, cpu_ticks/1, bare_python_kb/1]).

%% The OS process of the shared host.
-spec host_pid() -> pos_integer().
host_pid() ->
    {ok, OsPid} = py:eval(<<"__import__('os').getpid()">>),
    OsPid.

-spec rss_kb(pos_integer()) -> non_neg_integer().
rss_kb(OsPid) ->
    field(OsPid, "status", "VmRSS").

%% Memory that the process shares with nobody.
-spec private_kb(pos_integer()) -> non_neg_integer().
private_kb(OsPid) ->
    field(OsPid, "smaps_rollup", "Private_Dirty") +
        field(OsPid, "smaps_rollup", "Private_Clean").

-spec field(pos_integer(), string(), string()) -> non_neg_integer().
field(OsPid, File, Field) ->
    Pattern = "^" ++ Field ++ ":\\s+([0-9]+)",
    Options = [multiline, {capture, all_but_first, list}],
    {match, [Value]} = re:run(read(OsPid, File), Pattern, Options),
    list_to_integer(Value).

%% User and system time so far, of all threads, in ticks of 10 ms.
-spec cpu_ticks(pos_integer()) -> non_neg_integer().
cpu_ticks(OsPid) ->
    [_, AfterName] = string:split(read(OsPid, "stat"), ") ", trailing),
    Fields = string:lexemes(AfterName, " "),
    list_to_integer(lists:nth(12, Fields)) +
        list_to_integer(lists:nth(13, Fields)).

-spec read(pos_integer(), string()) -> string().
read(OsPid, File) ->
    Path = filename:join(["/proc", integer_to_list(OsPid), File]),
    {ok, Text} = file:read_file(Path),
    binary_to_list(Text).

%% RSS and private memory of a python3 that imported Modules and waits.
-spec bare_python_kb([binary()]) -> {non_neg_integer(), non_neg_integer()}.
bare_python_kb(Modules) ->
    Python = os:getenv("PYTHON", "/usr/bin/python3"),
    Port = open_port({spawn_executable, Python}, [
        {args, ["-E", "-s", "-c", bare_program()]},
        {packet, 4},
        binary,
        {env, [{"PYTHONPATH", "priv/python"}]}
    ]),
    true = port_command(Port, lists:join(" ", Modules)),
    receive
        {Port, {data, <<"ready">>}} -> ok
    end,
    {os_pid, OsPid} = erlang:port_info(Port, os_pid),
    Sizes = {rss_kb(OsPid), private_kb(OsPid)},
    true = port_close(Port),
    Sizes.

-spec bare_program() -> string().
bare_program() ->
    "import sys, importlib\n"
    "size = int.from_bytes(sys.stdin.buffer.read(4), 'big')\n"
    "for name in sys.stdin.buffer.read(size).decode().split():\n"
    "    try:\n"
    "        importlib.import_module(name)\n"
    "    except ImportError:\n"
    "        pass\n"
    "sys.stdout.buffer.write(b'\\0\\0\\0\\5ready')\n"
    "sys.stdout.buffer.flush()\n"
    "sys.stdin.buffer.read()\n".
