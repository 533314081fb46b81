%% @private
%% @doc The program as the operating system sees it: its path, its command
%% line, its port, and its end by force.
-module(pyport_program).

-export([spec/2, argument/2, open/1, close/2, hello/0, greeting/2]).
-export([log_broken/2, spawn_apart/1]).

-include_lib("kernel/include/logger.hrl").

-export_type([spec/0, reason/0]).

-type spec() :: #{program := file:filename_all(),
                  arguments := [unicode:chardata()],
                  env := #{unicode:chardata() => unicode:chardata()},
                  %% where it is to connect its bulk lane
                  bulk := none | file:filename_all()}.
-type reason() :: {program_not_found, file:filename_all()}
                | {program_not_started, file:filename_all(), atom()}.

-define(SHELL, "/bin/sh").
-define(KILL_GROUP, "kill -s KILL -- \"-$1\"").
-define(KILL_TIMEOUT_MS, 5000).
-define(PROTOCOL, 1).
-define(LOGGED_BYTES, 16).

%% What the program takes from the settings of a host as it is.
-define(SETTINGS, [memory_limit, cpu_limit, kill_after, python_path, spin_us,
                   switch_interval_us, queue_max, frame_bytes_max,
                   output_lines_per_s, tmp_dir, bulk_threshold,
                   buffer_memory_max, resource_bytes_max, buffers_max,
                   channel_bytes_max, channels_max]).

%% @doc How to start the program of a host.
-spec spec(file:filename_all(), map()) -> spec().
spec(StdioPath, #{program := Program, env := Env} = Options) ->
    Settings = [{Name, maps:get(Name, Options, default)} || Name <- ?SETTINGS],
    Bulk = case Options of
               #{bulk_threshold := 0} -> none;
               _ -> StdioPath
           end,
    #{program => path(Program, "pyport"),
      bulk => Bulk,
      arguments => arguments([{stdio, StdioPath},
                              {bulk, case Bulk of none -> default;
                                                  _ -> Bulk end},
                              {lib, path(default, "python")},
                              {python, python(Options)} | Settings]),
      env => Env}.

-spec python(map()) -> default | file:filename_all().
python(#{venv := Venv}) when Venv =/= none ->
    filename:join([Venv, "bin", "python"]);
python(#{python := Python}) ->
    Python.

-spec path(default | file:filename_all(), string()) -> file:filename_all().
path(default, Name) -> filename:join(priv_dir(), Name);
path(Path, _) -> Path.

%% An application that runs from a plain code path has no library directory;
%% its `priv' is beside its `ebin'.
-spec priv_dir() -> file:filename_all().
priv_dir() ->
    case code:priv_dir(pyport) of
        {error, bad_name} ->
            case code:which(?MODULE) of
                Beam when is_list(Beam) ->
                    Ebin = filename:dirname(filename:absname(Beam)),
                    filename:join(filename:dirname(Ebin), "priv");
                _ ->
                    "priv"
            end;
        Dir ->
            Dir
    end.

%% `default' and `infinity' leave the program its own choice.
-spec arguments([{atom(), term()}]) -> [unicode:chardata()].
arguments(Settings) ->
    lists:append([argument(Name, Value) || {Name, Value} <- Settings]).

%% @doc What a setting adds to the command line.
-spec argument(atom(), term()) -> [unicode:chardata()].
argument(_, default) ->
    [];
argument(kill_after, infinity) ->
    ["--kill-after=infinity"];
argument(_, infinity) ->
    [];
argument(python_path, Dirs) ->
    [option(python_path, Dir) || Dir <- Dirs];
argument(Name, Value) when is_integer(Value) ->
    [option(Name, integer_to_binary(Value))];
argument(Name, Value) ->
    [option(Name, Value)].

-spec option(atom(), unicode:chardata()) -> binary().
option(Name, Value) ->
    Dashed = string:replace(atom_to_list(Name), "_", "-", all),
    case unicode:characters_to_binary(["--", Dashed, "=", Value]) of
        Option when is_binary(Option) -> Option
    end.

%% @doc Starts the program. The link is bounded by `queue_bytes_max', so the
%% port's own busy limits are off: they would suspend the link process, and
%% a link that is suspended cannot see that the program stopped reading.
-spec open(spec()) -> {ok, port(), non_neg_integer() | undefined}
              | {error, reason()}.
open(#{program := Program, arguments := Arguments, env := Env}) ->
    Options = [{packet, 4}, binary, nouse_stdio, exit_status, hide,
               {args, Arguments}, {env, environment(Env)},
               {busy_limits_port, disabled}, {busy_limits_msgq, disabled}],
    try open_port({spawn_executable, Program}, Options) of
        Port -> {ok, Port, os_pid(Port)}
    catch
        error:enoent -> {error, {program_not_found, Program}};
        error:Posix when is_atom(Posix) ->
            {error, {program_not_started, Program, Posix}}
    end.

-spec environment(#{unicode:chardata() => unicode:chardata()}) ->
          [{string(), string()}].
environment(Env) ->
    [{text(Name), text(Value)} || {Name, Value} <- maps:to_list(Env)].

-spec text(unicode:chardata() | atom()) -> string().
text(Atom) when is_atom(Atom) -> atom_to_list(Atom);
text(Chars) ->
    case unicode:characters_to_list(Chars) of
        Text when is_list(Text) -> Text
    end.

%% Undefined when the program is gone before we could ask.
-spec os_pid(port()) -> non_neg_integer() | undefined.
os_pid(Port) ->
    case erlang:port_info(Port, os_pid) of
        {os_pid, Pid} -> Pid;
        undefined -> undefined
    end.

%% @doc Closes the port and kills the process with its group, at once, and
%% never waits: a port whose queue is not empty is slow to close.
%%
%% ERTS makes each process that it starts the leader of a session, which
%% cannot leave its group, so the group has its number and is all that is
%% signalled: that number is not used again while there is anybody left. A
%% program that is well ends by itself as well, because its lifeline is cut;
%% it takes a signal to end one that is stopped.
-spec close(port(), non_neg_integer() | undefined) -> ok.
close(Port, OsPid) ->
    true = unlink(Port),
    ok = spawn_apart(fun() -> kill_group(OsPid) end),
    Port ! {self(), close},
    ok.

%% @doc An application that stops kills whatever has its group leader: that
%% must not be whoever kills our program. A process has it from its parent.
-spec spawn_apart(fun(() -> ok)) -> ok.
spawn_apart(Fun) ->
    Leader = group_leader(),
    true = group_leader(whereis(init), self()),
    _ = spawn(Fun),
    true = group_leader(Leader, self()),
    ok.

%% The shell has a kill of its own; not every system has it as a program.
-spec kill_group(non_neg_integer() | undefined) -> ok.
kill_group(undefined) ->
    ok;
kill_group(OsPid) ->
    Arguments = ["-c", ?KILL_GROUP, "sh", integer_to_list(OsPid)],
    try open_port({spawn_executable, ?SHELL},
                  [exit_status, hide, stderr_to_stdout, {args, Arguments}]) of
        Port -> await_exit(Port)
    catch
        error:Posix ->
            ?LOG_ERROR(#{what => pyport_program_not_killed, os_pid => OsPid,
                         reason => Posix})
    end.

-spec await_exit(port()) -> ok.
await_exit(Port) ->
    receive
        {Port, {exit_status, _}} -> ok;
        {Port, {data, _}} -> await_exit(Port)
    after ?KILL_TIMEOUT_MS ->
        ok
    end.

%% @doc The term of a HELLO.
-spec hello() -> binary().
hello() -> term_to_binary(#{protocol => ?PROTOCOL}).

%% @doc Reads the answer to a HELLO.
-spec greeting(byte(), binary()) -> {ok, map()} | {refused, term()} | error.
greeting(Kind, Term) ->
    case {Kind, pyport_term:decode(Term)} of
        {16#80, {ok, #{protocol := ?PROTOCOL} = Hello}} ->
            {ok, Hello};
        {16#80, {ok, #{protocol := Theirs}}} ->
            {refused, {protocol_mismatch, ?PROTOCOL, Theirs}};
        {16#82, {ok, Reason}} ->
            {refused, Reason};
        _ ->
            error
    end.

%% @doc Says where a program broke the protocol; never more than the header.
-spec log_broken(binary(), non_neg_integer() | undefined) -> ok.
log_broken(Read, OsPid) ->
    First = binary:part(Read, 0, min(?LOGGED_BYTES, byte_size(Read))),
    ?LOG_ERROR(#{what => pyport_protocol_error, os_pid => OsPid,
                 bytes => byte_size(Read), first => First}).
