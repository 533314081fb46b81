%% @private
%% @doc The processes that a program wants to know about: `{watched, Pid}' is
%% the key of one, `{watch, Key}' the process, in the dictionary of the link,
%% which monitors them with the callers ({@link pyport_callers}).
%%
%% Only local processes are watched; of others the program is told that they
%% live, because to ask may take long.
-module(pyport_processes).

-export([watch/2, unwatch/1, down/1, gone/0]).

-type key() :: non_neg_integer().

%% @doc The program asks about a process, a term without its version byte.
-spec watch(key(), binary()) -> [pyport_objects:effect()].
watch(Key, Term) ->
    case pyport_term:decode(<<131, Term/binary>>) of
        {ok, Pid} when is_pid(Pid), node(Pid) =:= node() ->
            watch_local(Key, Pid, is_process_alive(Pid));
        _ ->
            [told(Key, true)]
    end.

-spec watch_local(key(), pid(), boolean()) -> [pyport_objects:effect()].
watch_local(Key, Pid, true) ->
    ok = pyport_callers:meet(Pid),
    _ = put({watched, Pid}, Key),
    _ = put({watch, Key}, Pid),
    [told(Key, true)];
watch_local(Key, _, false) ->
    [told(Key, false)].

-spec told(key(), boolean()) -> pyport_objects:effect().
told(Key, IsAlive) -> {link, pyport_wire_channel:process(Key, IsAlive)}.

-spec unwatch(key()) -> ok.
unwatch(Key) ->
    _ = case erase({watch, Key}) of
            undefined ->
                ok;
            Pid ->
                %% it may be watched by a later key
                case get({watched, Pid}) of
                    Key -> erase({watched, Pid});
                    _ -> ok
                end
        end,
    ok.

-spec down(pid()) -> [pyport_objects:effect()].
down(Pid) ->
    case erase({watched, Pid}) of
        undefined ->
            [];
        Key ->
            _ = erase({watch, Key}),
            [told(Key, false)]
    end.

%% @doc The program is gone, and its keys.
-spec gone() -> ok.
gone() ->
    _ = [unwatch(Key) || {watch, Key} <- get_keys()],
    ok.
