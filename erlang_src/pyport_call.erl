%% The path of one request: from the caller straight to the link.
%%
%% Runs in the calling process. A call costs one lookup in the table of
%% contexts, one encoding, one message to the link and one back. The context's
%% own Erlang process takes no part, so it cannot be a bottleneck.
%% @private
-module(pyport_call).

-export([call/7, eval/6, exec/4, interrupt/1, info/1, last_traceback/0]).
-export([env_of/1, options/1, place/1]).
-export([bound_context/1, bind_context/2, unbind_context/1]).

-export_type([target/0, env/0, result/0, reason/0, place/0, nowhere/0]).

-type target() :: pid() | {pool, atom()}.
-type env() :: none | own | pos_integer().
-type result() :: {ok, term()} | {error, reason()}.
%% Closed as far as the form goes; the class names are those of Python.
-type reason() ::
    {Class :: atom() | binary(), Message :: term()}
    | {invalid_argument, atom(), binary()}
    | {invalid_option, term(), binary() | [atom()]}
    | {context_died, term()}
    | {overloaded, Current :: non_neg_integer(), Max :: pos_integer()}
    | {too_large, Bytes :: non_neg_integer(), Max :: pos_integer()}
    | {unknown_pool, atom()}
    | {not_started, pyport}
    | {bad_request, binary()}
    | timeout
    | interrupted
    | context_destroyed
    | invalid_env
    | env_wrong_interpreter
    | #{type := _, message := _, traceback := _, notes := _, cause := _}.
-type place() :: {Link :: pid(), Context :: non_neg_integer()}.
-type nowhere() ::
    {error, {context_died, term()}}
    | pyport_pool:missing()
    | pyport_args:invalid_argument().

-define(TABLE, pyport_contexts).
-define(BOUND(Pool), {py_bound_context, Pool}).
-define(TRACEBACK, '$pyport_traceback').
-define(REMOTE, '$pyport_remote').
-define(LOOKUP_MS, 5000).
-define(INTERRUPT_MS, 5000).
-define(INFO_MS, 5000).

%% A target that is no pid and no pool is a mistake of the user's.
-spec call(Target, env(), term(), term(), term(), term(), Opts) ->
    result()
when
    Target :: target() | term(),
    Opts :: {timeout(), Flags :: non_neg_integer()}.
call(Target, Env, M, F, Args, Kw, {Timeout, Flags}) ->
    case pyport_args:call_payload(M, F, Args, Kw) of
        {ok, Payload} -> run(Target, call, Env, Flags, Timeout, Payload);
        Invalid -> Invalid
    end.

-spec eval(Target, env(), term(), term(), timeout(), Flags) ->
    result()
when
    Target :: target() | term(),
    Flags :: non_neg_integer().
eval(Target, Env, Code, Locals, Timeout, Flags) ->
    case pyport_args:eval_payload(Code, Locals) of
        {ok, Payload} -> run(Target, eval, Env, Flags, Timeout, Payload);
        Invalid -> Invalid
    end.

-spec exec(target() | term(), env(), term(), timeout()) ->
    ok | {error, reason()}.
exec(Target, Env, Code, Timeout) ->
    case pyport_args:exec_payload(Code) of
        {ok, Payload} ->
            case run(Target, exec, Env, 0, Timeout, Payload) of
                {ok, _} -> ok;
                {error, _} = Error -> Error
            end;
        Invalid ->
            Invalid
    end.

-spec interrupt(term()) -> ok | not_running | {error, reason()}.
interrupt(Ctx) ->
    case control(Ctx, interrupt, ?INTERRUPT_MS) of
        {ok, true} -> ok;
        {ok, false} -> not_running;
        {error, _} = Error -> Error
    end.

-spec info(term()) -> {ok, map()} | {error, reason()}.
info(Ctx) ->
    control(Ctx, info, ?INFO_MS).

-spec last_traceback() -> binary() | undefined.
last_traceback() ->
    get(?TRACEBACK).

%% A name in the caller's environment is looked up there; all else is imported.
-spec env_of(term()) -> none | own.
env_of('__main__') -> own;
env_of(<<"__main__">>) -> own;
env_of("__main__") -> own;
env_of(_) -> none.

%% The options of py:call(Ctx, M, F, Args, Options).
-spec options(term()) ->
    {ok, map(), {timeout(), 0..3}} | pyport_args:invalid().
options(Options) when is_map(Options), map_size(Options) =:= 0 ->
    {ok, #{}, {infinity, 0}};
options(Options) ->
    case pyport_args:options(Options, option_rules()) of
        ok ->
            Timeout = maps:get(timeout, Options, infinity),
            {ok, maps:get(kwargs, Options, #{}), {Timeout, flags(Options)}};
        Invalid ->
            Invalid
    end.

%% The flags of a run message, docs/protocol.md.
-spec flags(map()) -> 0..3.
flags(Options) ->
    Detailed =
        case Options of
            #{errors := detailed} -> 1;
            #{} -> 0
        end,
    Binary =
        case Options of
            #{arrays := binary} -> 2;
            #{} -> 0
        end,
    Detailed bor Binary.

-spec option_rules() -> #{atom() => pyport_args:rule()}.
option_rules() ->
    #{
        kwargs => {fun is_map/1, <<"a map of names to values">>},
        timeout => {
            fun(T) -> element(1, pyport_args:timeout(T)) =:= ok end,
            <<"milliseconds from 0 to 4294967295, or infinity">>
        },
        errors => {
            fun(E) -> lists:member(E, [plain, detailed]) end,
            <<"plain or detailed">>
        },
        arrays => {
            fun(A) -> lists:member(A, [list, binary]) end,
            <<"list or binary">>
        }
    }.

%% The context that the calling process uses for a pool; binds it.
-spec bound_context(atom()) -> {ok, pid()} | {error, reason()}.
bound_context(Pool) ->
    case place({pool, Pool}) of
        {Link, _} when is_pid(Link) -> {ok, get(?BOUND(Pool))};
        Error -> Error
    end.

%% A process that is no context, or no longer, is refused: calls would go
%% elsewhere without a word.
-spec bind_context(atom(), term()) -> ok | {error, reason()}.
bind_context(Pool, Ctx) ->
    case place(Ctx) of
        {Link, _} when is_pid(Link) ->
            _ = put(?BOUND(Pool), Ctx),
            ok;
        Error ->
            Error
    end.

-spec unbind_context(atom()) -> ok.
unbind_context(Pool) ->
    _ = erase(?BOUND(Pool)),
    ok.

%% Internal: sending.

-spec run(
    term(),
    call | eval | exec,
    env(),
    non_neg_integer(),
    timeout(),
    binary()
) -> result().
run(Target, Op, Env, Flags, Timeout0, Payload) ->
    case pyport_args:timeout(Timeout0) of
        {ok, Timeout} ->
            case place(Target) of
                {Link, Context} when is_pid(Link) ->
                    answer(
                        pyport_link:request(
                            Link, Op, Context, Env, Flags, Timeout, Payload
                        )
                    );
                Error ->
                    Error
            end;
        Invalid ->
            Invalid
    end.

-spec answer({ok | exception, binary()} | {error, term()}) -> result().
answer({ok, Term}) ->
    pyport_term:decode(Term);
answer({exception, Term}) ->
    {error, Reason, Traceback} = pyport_term:exception_to_error(Term),
    _ = put(?TRACEBACK, Traceback),
    {error, Reason};
answer({error, no_context}) ->
    _ = erase(?REMOTE),
    {error, {context_died, noproc}};
answer({error, {context_died, _}} = Error) ->
    _ = erase(?REMOTE),
    Error;
answer({error, _} = Error) ->
    Error.

-spec control(term(), interrupt | info, pos_integer()) ->
    {ok, term()} | {error, reason()}.
control(Ctx, Op, Timeout) ->
    case place(Ctx) of
        {Link, Context} when is_pid(Link) ->
            pyport_link:control(Link, Op, Context, Timeout);
        Error ->
            Error
    end.

%% Where a context lives.

-spec place(term()) -> place() | nowhere().
place(Ctx) when is_pid(Ctx), node(Ctx) =:= node() ->
    local(Ctx);
place(Ctx) when is_pid(Ctx) ->
    remote(Ctx);
place({pool, Pool}) ->
    case get(?BOUND(Pool)) of
        undefined -> bind(Pool);
        Ctx -> bound(Pool, Ctx)
    end;
place(_) ->
    pyport_args:invalid(context, <<"a pid">>).

-spec bound(atom(), pid()) -> place() | {error, reason()}.
bound(Pool, Ctx) ->
    case place(Ctx) of
        {Link, _} = Place when is_pid(Link) -> Place;
        {error, _} -> bind(Pool)
    end.

-spec bind(atom()) ->
    place() | {error, {context_died, noproc}} | pyport_pool:missing().
bind(Pool) ->
    case pyport_pool:pick(Pool) of
        {ok, Ctx} ->
            _ = put(?BOUND(Pool), Ctx),
            local(Ctx);
        Error ->
            Error
    end.

-spec local(pid()) -> place() | {error, {context_died, noproc}}.
local(Ctx) ->
    try ets:lookup(?TABLE, Ctx) of
        [{_, Link, Context}] -> {Link, Context};
        [] -> {error, {context_died, noproc}}
    catch
        %% The application is not running: there is no table.
        error:badarg -> {error, {context_died, noproc}}
    end.

%% The place of one remote context is kept per process, so that a series of
%% calls pays for one lookup. A dead link or context forgets it, see answer/1.
-spec remote(pid()) -> place() | {error, {context_died, term()}}.
remote(Ctx) ->
    case get(?REMOTE) of
        {Ctx, Place} -> Place;
        _ -> remote_lookup(Ctx)
    end.

-spec remote_lookup(pid()) -> place() | {error, {context_died, term()}}.
remote_lookup(Ctx) ->
    try erpc:call(node(Ctx), ets, lookup, [?TABLE, Ctx], ?LOOKUP_MS) of
        [{_, Link, Context}] ->
            _ = put(?REMOTE, {Ctx, {Link, Context}}),
            {Link, Context};
        [] ->
            {error, {context_died, noproc}}
    catch
        error:{erpc, Reason} -> {error, {context_died, Reason}};
        error:{exception, badarg, _} -> {error, {context_died, noproc}}
    end.
