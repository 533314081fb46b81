%% The Erlang process of a context: the owner's end, the host's news, and
%% nothing else. Calls do not pass through it.
%%
%% It opens the context in a host when it starts and closes it when it ends.
%% It ends with its owner, whatever the owner's reason, and with its host.
%% When only the program died, a context that a user made (temporary) ends
%% with the death, and one of a pool (permanent) stays: the host opens it again.
%% When the host cannot, it says `closed', and the context ends: its pool starts
%% another.
%% @private
-module(pyport_context).
-behaviour(gen_server).

-export([start/1, start_for/2, ask/2, what_is/1]).
%% For other nodes.
-export([what_is_here/1]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2]).
-export([handle_info/2, terminate/2, format_status/1]).

-type restart() :: permanent | temporary.
-type question() :: id | host | is_isolated.

-record(state, {
    owner :: pid(),
    config :: pyport_context_options:config(),
    restart :: restart(),
    id :: pos_integer(),
    host :: pid() | undefined,
    number :: non_neg_integer() | undefined
}).

-define(CALL_MS, 5000).

%% Starts a context and waits until it is open.
-spec start(pyport_context_options:config()) ->
    {ok, pid()} | {error, term()}.
start(Config) ->
    started(start_for(Config, temporary)).

%% Starts a context linked to the caller and returns at once. The caller gets
%% {py_context, Pid, ready | {error, Reason}}; after an error it is not linked.
-spec start_for(pyport_context_options:config(), restart()) -> pid().
start_for(Config, Restart) ->
    {ok, Pid} = gen_server:start(?MODULE, {self(), Config, Restart}, []),
    Pid.

-spec ask(term(), question()) ->
    {ok, pos_integer() | pid()}
    | boolean()
    | {error, {context_died, term()}}
    | pyport_args:invalid_argument().
ask(Ctx, Question) when is_pid(Ctx) ->
    case what_is(Ctx) of
        context -> ask_context(Ctx, Question);
        _ -> {error, {context_died, noproc}}
    end;
ask(_, _) ->
    pyport_args:invalid(context, <<"a pid">>).

%% Messages, and signals even more, go to contexts only: a pid may be anything.
-spec what_is(term()) -> context | gone | other.
what_is(Pid) when is_pid(Pid), node(Pid) =:= node() ->
    what_is_here(Pid);
what_is(Pid) when is_pid(Pid) ->
    try
        erpc:call(node(Pid), ?MODULE, what_is_here, [Pid], ?CALL_MS)
    catch
        error:{erpc, _} -> gone;
        error:{exception, undef, _} -> other
    end;
what_is(_) ->
    other.

%% REQUIRES: a pid of this node.
-spec what_is_here(pid()) -> context | gone | other.
what_is_here(Pid) ->
    case proc_lib:translate_initial_call(Pid) of
        {?MODULE, init, 1} ->
            context;
        _ ->
            case is_process_alive(Pid) of
                true -> other;
                false -> gone
            end
    end.

%% Behaviour gen_server.

-spec init({pid(), pyport_context_options:config(), restart()}) ->
    {ok, #state{}, {continue, open}}.
init({Owner, Config, Restart}) ->
    _ = process_flag(trap_exit, true),
    true = link(Owner),
    State = #state{
        owner = Owner,
        config = Config,
        restart = Restart,
        id = erlang:unique_integer([positive])
    },
    {ok, State, {continue, open}}.

-spec handle_continue(open, #state{}) ->
    {noreply, #state{}} | {stop, normal, #state{}}.
handle_continue(open, #state{owner = Owner} = State) ->
    case open(State) of
        {ok, Host, Link, Number} ->
            _ = monitor(process, Host),
            ok = pyport_contexts:add(Link, Number),
            Owner ! {py_context, self(), ready},
            {noreply, State#state{host = Host, number = Number}};
        {error, _} = Error ->
            true = unlink(Owner),
            Owner ! {py_context, self(), Error},
            {stop, normal, State}
    end.

-spec handle_call(question(), gen_server:from(), #state{}) ->
    {reply, {ok, pos_integer() | pid()} | boolean(), #state{}}.
handle_call(id, _From, #state{id = Id} = State) ->
    {reply, {ok, Id}, State};
handle_call(host, _From, #state{host = Host} = State) ->
    {reply, {ok, Host}, State};
handle_call(is_isolated, _From, #state{config = Config} = State) ->
    {reply, maps:get(kind, Config) =:= isolated, State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) ->
    {noreply, #state{}} | {stop, term(), #state{}}.
handle_info({'EXIT', Owner, _}, #state{owner = Owner} = State) ->
    {stop, normal, State};
handle_info({'EXIT', _, normal}, State) ->
    {noreply, State};
handle_info({'EXIT', _, Reason}, State) ->
    {stop, Reason, State};
handle_info(
    {pyport_host, Host, {down, Death}},
    #state{host = Host, restart = temporary} = State
) ->
    {stop, {context_died, Death}, State};
handle_info(
    {pyport_host, Host, {closed, Death}},
    #state{host = Host} = State
) ->
    {stop, {context_died, Death}, State#state{number = undefined}};
handle_info({'DOWN', _, process, Host, Reason}, #state{host = Host} = State) ->
    {stop, host_end(Reason), State#state{host = undefined}};
handle_info(_, State) ->
    {noreply, State}.

-spec terminate(term(), #state{}) -> ok.
terminate(_Reason, #state{host = undefined}) ->
    ok;
terminate(_Reason, #state{host = Host, number = Number} = State) ->
    ok = pyport_contexts:remove(),
    close(maps:get(kind, State#state.config), Host, Number).

%% Code that the user gave does not go to the log.
-spec format_status(gen_server:format_status()) ->
    gen_server:format_status().
format_status(#{state := #state{id = Id, number = Number}} = Status) ->
    Status#{state := {context, Id, Number}};
format_status(Status) ->
    Status.

%% Internal.

-spec ask_context(pid(), question()) ->
    {ok, pos_integer() | pid()} | boolean() | {error, {context_died, term()}}.
ask_context(Ctx, Question) ->
    try
        gen_server:call(Ctx, Question, ?CALL_MS)
    catch
        exit:{Reason, _} -> {error, {context_died, Reason}}
    end.

%% A host that was shut down, with the application or by its supervisor, is no
%% accident; any other end is.
-spec host_end(term()) -> shutdown | {context_died, term()}.
host_end(shutdown) -> shutdown;
host_end({shutdown, _}) -> shutdown;
host_end(Reason) -> {context_died, Reason}.

-spec started(pid()) -> {ok, pid()} | {error, term()}.
started(Pid) ->
    Monitor = monitor(process, Pid),
    receive
        {py_context, Pid, ready} ->
            true = demonitor(Monitor, [flush]),
            {ok, Pid};
        {py_context, Pid, {error, _} = Error} ->
            true = demonitor(Monitor, [flush]),
            Error;
        {'DOWN', Monitor, process, Pid, Reason} ->
            {error, {context_died, Reason}}
    end.

-spec open(#state{}) ->
    {ok, pid(), pid(), non_neg_integer()} | {error, term()}.
open(#state{config = #{context := Context0} = Config} = State) ->
    Context = Context0#{owner => self()},
    case host(Config, State#state.restart) of
        {ok, Host} ->
            case pyport_host:open_context(Host, Context) of
                {ok, Link, Number} ->
                    {ok, Host, Link, Number};
                {error, _} = Error ->
                    ok = discard(Config, Host),
                    Error
            end;
        {error, _} = Error ->
            Error
    end.

-spec host(pyport_context_options:config(), restart()) ->
    {ok, pid()} | {error, term()}.
host(#{kind := worker}, _Restart) ->
    pyport_hosts:shared();
host(#{kind := isolated, host := Options}, Restart) ->
    pyport_hosts:start_host(Options#{restart => Restart}).

-spec discard(pyport_context_options:config(), pid()) -> ok.
discard(#{kind := isolated}, Host) -> pyport_hosts:stop_host(Host);
discard(#{kind := worker}, _Host) -> ok.

%% A worker that has no number any more was closed by its host.
-spec close(
    pyport_context_options:kind(), pid(), non_neg_integer() | undefined
) -> ok.
close(isolated, Host, _Number) -> pyport_hosts:stop_host(Host);
close(worker, _Host, undefined) -> ok;
close(worker, Host, Number) -> pyport_host:close_context(Host, Number).

