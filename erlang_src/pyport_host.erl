%% @private
%% @doc The control plane of one host: starts the program, opens contexts in
%% it, learns of what it died and starts it again.
%%
%% Its states: `starting', until the program says hello; `preparing', while
%% the contexts are opened again and run their setup code and the link holds
%% requests; `up'; `ending', while the last of stderr is collected before
%% anybody is answered; `backoff', when the program dies at once each time:
%% requests get the last death until the next attempt.
%%
%% The link, the standard streams and this process are one unit: they are
%% linked and end together. The supervisor never sees a death of Python.
-module(pyport_host).
-behaviour(gen_statem).

%% pyport_hosts
-export([start_link/1, await/1, stop/1]).
%% contexts
-export([open_context/2, close_context/2, info/1]).
-export([init/1, callback_mode/0, handle_event/4, terminate/3]).

-export_type([options/0, reason/0, notice/0]).

-include_lib("kernel/include/logger.hrl").

%% `start_host' completes these from the application's configuration.
-type options() :: #{kind := shared | isolated,
                     restart := permanent | temporary,
                     atom() => term()}.
-type reason() :: {program_failed, Status :: term(), Stderr :: binary()}
                | {protocol_mismatch, Ours :: term(), Theirs :: term()}
                | {context_died, pyport_death:death() | noproc}
                | {start_timeout, Ms :: pos_integer()}
                | in_use | setup_timeout
                | pyport_program:reason() | pyport_tmp:reason()
                | term().
%% What the owner of a context gets, as {pyport_host, Host, notice()}. After
%% `closed' that context is gone for good.
-type notice() :: {down | closed, pyport_death:death()} | up.

-define(INFO_TIMEOUT_MS, 1000).
-define(TAIL_TIMEOUT_MS, 1000).
-define(STOP_TIMEOUT_MS, 5000).
-record(data, {
    options :: options(),
    link :: pid(),
    stdio :: pid(),
    contexts :: pyport_slots:slots(),
    %% contexts that are on their way, by the answer they wait for
    opening = #{} :: #{reference() => pyport_slots:context()},
    %% until its context is open, an isolated host ends with its starter
    starter = none :: none | reference(),
    %% a first start that fails is an error of its starter; after a restart
    %% by the supervisor there is none
    awaited :: boolean(),
    hello = none :: none | map(),
    os_pid :: non_neg_integer() | undefined,
    started_ms = 0 :: integer(),
    backoff = pyport_backoff:new() :: pyport_backoff:backoff(),
    restarts = 0 :: non_neg_integer(),
    gone = none :: none | {term(), atom()},
    tail_tag = none :: none | reference(),
    death = none :: none | pyport_death:death(),
    waiting = [] :: [gen_statem:from()]
}).

-type state() :: starting | preparing | up | ending | backoff.
-type result() :: gen_statem:event_handler_result(state()).

%% pyport_hosts

-spec start_link(options()) -> gen_statem:start_ret().
start_link(Options) ->
    gen_statem:start_link(?MODULE, Options, []).

%% @doc Waits until the program said hello, or for the reason it did not.
-spec await(pid()) -> ok | {error, reason()}.
await(Host) ->
    call(Host, await).

%% @doc Ends the host; whoever waits gets `context_destroyed'.
-spec stop(pid()) -> ok.
stop(Host) ->
    try
        gen_statem:stop(Host, {shutdown, context_destroyed}, ?STOP_TIMEOUT_MS)
    catch
        exit:_ -> ok
    end.

%% contexts

%% @doc Opens a context and runs its setup code, now and after each restart
%% of the program. It is closed when its owner dies.
-spec open_context(pid(), pyport_slots:options()) ->
          {ok, Link :: pid(), pyport_slots:context()} | {error, reason()}.
open_context(Host, Options) ->
    call(Host, {open_context, maps:merge(#{owner => self()}, Options)}).

-spec close_context(pid(), pyport_slots:context()) -> ok.
close_context(Host, Number) ->
    _ = call(Host, {close_context, Number}),
    ok.

%% @doc What is known of the host, with the program's own counters when it
%% answers in time.
-spec info(pid()) -> map() | {error, reason()}.
info(Host) ->
    case call(Host, info) of
        {error, _} = Error -> Error;
        {Link, Info} ->
            case pyport_link:control(Link, info, none, ?INFO_TIMEOUT_MS) of
                {ok, Counters} when is_map(Counters) ->
                    maps:merge(Counters, Info);
                _ ->
                    Info
            end
    end.

-spec call(pid(), term()) -> term().
call(Host, Request) ->
    try
        gen_statem:call(Host, Request, infinity)
    catch
        exit:{{shutdown, {context_died, _} = Died}, _} -> {error, Died};
        exit:{{shutdown, Reason}, _} -> {error, Reason};
        exit:_ -> {error, {context_died, noproc}}
    end.

%% gen_statem

-spec callback_mode() -> handle_event_function.
callback_mode() -> handle_event_function.

-spec init(options()) -> gen_statem:init_result(state()).
init(Options0) ->
    _ = process_flag(trap_exit, true),
    Options = Options0#{host => self(),
                        backlog => atomics:new(2, [{signed, true}])},
    {ok, Stdio} = pyport_stdio:start_link(Options),
    {ok, Link} = pyport_link:start_link(Options#{stdio => Stdio}),
    #{kind := Kind, starter := Starter} = Options,
    {ok, starting, #data{options = Options, link = Link, stdio = Stdio,
                         contexts = pyport_slots:new(Kind),
                         starter = starter(Options),
                         awaited = is_process_alive(Starter)},
     [{next_event, internal, start}]}.

-spec starter(options()) -> none | reference().
starter(#{kind := isolated, starter := Pid}) -> monitor(process, Pid);
starter(_) -> none.

-spec handle_event(gen_statem:event_type(), term(), state(), #data{}) ->
          result().
handle_event(internal, start, starting, Data) ->
    start(Data);
handle_event(state_timeout, hello, starting, #data{link = Link}) ->
    ok = pyport_link:command(Link, kill),
    keep_state_and_data;
handle_event(state_timeout, again, backoff, Data) ->
    {next_state, starting, Data, [{next_event, internal, start}]};
handle_event(state_timeout, tail, ending, Data) ->
    ended(<<>>, Data);
handle_event(info, {Tag, Stderr}, ending, #data{tail_tag = Tag} = Data) ->
    ended(Stderr, Data);
handle_event(info, {pyport_link, Link, Event}, State,
             #data{link = Link} = Data) ->
    link_event(Event, State, Data);
handle_event(info, {Ref, Kind, Answer}, State, #data{opening = Opening} = Data)
  when is_map_key(Ref, Opening) ->
    opened(maps:take(Ref, Opening), pyport_link:result(Kind, Answer), State,
           Data);
handle_event(info, {'DOWN', Monitor, process, _, _}, _, Data) ->
    monitored_down(Monitor, Data);
handle_event(info, {'EXIT', Pid, Reason}, _, #data{link = Link, stdio = Stdio})
  when Pid =:= Link; Pid =:= Stdio ->
    {stop, {host_part_failed, Reason}};
handle_event({call, From}, Request, State, Data) ->
    request(From, Request, State, Data);
handle_event(_, _, _, _) ->
    keep_state_and_data.

-spec terminate(term(), state(), #data{}) -> ok.
terminate(Reason, _, #data{link = Link, stdio = Stdio}) ->
    ok = pyport_link:stop(Link, Reason),
    ok = lists:foreach(fun pyport_channel_segments:purge/1,
                       pyport_lanes:purge(Link)),
    pyport_stdio:stop(Stdio).

-spec request(gen_statem:from(), term(), state(), #data{}) -> result().
request(From, await, up, _) ->
    {keep_state_and_data, [{reply, From, ok}]};
request(From, await, _, #data{waiting = Waiting} = Data) ->
    {keep_state, Data#data{waiting = [From | Waiting]}};
request(From, info, State, Data) ->
    {keep_state_and_data, [{reply, From, {Data#data.link, info(State, Data)}}]};
request(From, {open_context, Options}, up, Data) ->
    open(From, Options, Data);
request(From, {open_context, _}, backoff, #data{death = Death}) ->
    {keep_state_and_data, [{reply, From, {error, {context_died, Death}}}]};
request(From, {close_context, Number}, State, Data)
  when State =:= up; State =:= backoff ->
    gen_statem:reply(From, ok),
    close(Number, Data);
request(_, _, _, _) ->
    {keep_state_and_data, [postpone]}.

%% the program's life

-spec start(#data{}) -> result().
start(#data{options = Options, link = Link, stdio = Stdio} = Data0) ->
    Data = Data0#data{started_ms = now_ms(), os_pid = undefined},
    Lane = case Options of #{bulk_threshold := 0} -> none; _ -> Link end,
    case pyport_stdio:listen(Stdio, Lane) of
        {ok, Path} ->
            Spec = pyport_program:spec(Path, Options),
            ok = pyport_link:command(Link, {start, Spec}),
            {keep_state, Data,
             [{state_timeout, maps:get(start_timeout, Options), hello}]};
        {error, Reason} ->
            link_event({gone, {not_started, Reason}, none}, starting, Data)
    end.

-spec link_event(pyport_link:event(), state(), #data{}) -> result().
link_event({started, OsPid}, _, Data) ->
    {keep_state, Data#data{os_pid = OsPid}};
link_event({hello, Hello}, starting, #data{contexts = Contexts0} = Data) ->
    {Numbers, Contexts} = pyport_slots:reset(Contexts0),
    Prepared = lists:foldl(fun advance/2,
                           Data#data{hello = Hello, contexts = Contexts,
                                     opening = #{}}, Numbers),
    prepared(Prepared);
link_event({gone, {not_started, _} = Why, _}, _, Data) ->
    {next_state, ending, Data#data{gone = {Why, none}},
     [{state_timeout, 0, tail}]};
link_event({gone, Why, Announced}, _, #data{stdio = Stdio} = Data) ->
    Tag = make_ref(),
    ok = pyport_stdio:tail(Stdio, Tag),
    {next_state, ending,
     Data#data{gone = {Why, Announced}, tail_tag = Tag, opening = #{}},
     [{state_timeout, ?TAIL_TIMEOUT_MS, tail}]};
link_event(_, _, _) ->
    keep_state_and_data.

%% Everything that is known of the end is here.
-spec ended(binary(), #data{}) -> result().
ended(Stderr, #data{hello = none, awaited = true, gone = {Why, _},
                    waiting = Waiting, options = #{start_timeout := Ms}}) ->
    Reason = pyport_death:failed_start(Why, Stderr, Ms),
    _ = [gen_statem:reply(From, {error, Reason}) || From <- Waiting],
    {stop, {shutdown, Reason}};
ended(Stderr, #data{gone = {Why, Announced}, os_pid = OsPid} = Data0) ->
    Death = pyport_death:make(Why, Announced, Stderr, OsPid),
    %% stderr itself was logged line by line
    ?LOG_ERROR((maps:remove(stderr, Death))#{what => pyport_host_died,
                                             host => self()}),
    Data = abandon(Death, Data0),
    _ = [Owner ! {pyport_host, self(), {down, Death}}
         || Owner <- pyport_slots:owners(Data#data.contexts)],
    after_death(Death, Data#data{death = Death, tail_tag = none}).

-spec after_death(pyport_death:death(), #data{}) -> result().
after_death(Death, #data{options = #{restart := temporary}}) ->
    {stop, {shutdown, {context_died, Death}}};
after_death(Death, #data{link = Link, restarts = Restarts} = Data0) ->
    {Then, Backoff} = pyport_backoff:died(now_ms(), Data0#data.backoff),
    Data = Data0#data{backoff = Backoff, restarts = Restarts + 1},
    case Then of
        again ->
            ok = pyport_link:command(Link, {down, Death, hold}),
            {next_state, starting, Data, [{next_event, internal, start}]};
        {pause, Ms} ->
            ok = pyport_link:command(Link, {down, Death, refuse}),
            {next_state, backoff, Data, [{state_timeout, Ms, again}]}
    end.

-spec now_ms() -> integer().
now_ms() -> erlang:monotonic_time(millisecond).

%% Whoever waits for a first opening gets the death for an answer.
-spec abandon(pyport_death:death(), #data{}) -> #data{}.
abandon(Death, #data{contexts = Contexts} = Data) ->
    lists:foldl(fun(Number, D) -> fail(Number, {context_died, Death}, D) end,
                Data, pyport_slots:unfinished(Contexts)).

%% contexts

-spec open(gen_statem:from(), pyport_slots:options(), #data{}) -> result().
open(From, #{owner := Owner} = Options, #data{contexts = Contexts0} = Data) ->
    Monitor = monitor(process, Owner),
    case pyport_slots:add(Options, {From, Monitor}, Contexts0) of
        {ok, Number, Contexts} ->
            ok = unmonitor(Data#data.starter),
            {keep_state, advance(Number, Data#data{contexts = Contexts,
                                                   starter = none})};
        {error, _} = Error ->
            ok = unmonitor(Monitor),
            {keep_state_and_data, [{reply, From, Error}]}
    end.

-spec unmonitor(none | reference()) -> ok.
unmonitor(none) -> ok;
unmonitor(Monitor) ->
    true = demonitor(Monitor, [flush]),
    ok.

%% Does the next thing that a context needs.
-spec advance(pyport_slots:context(), #data{}) -> #data{}.
advance(Number, #data{link = Link, opening = Opening,
                      options = #{setup_timeout := Timeout}} = Data) ->
    case pyport_slots:step(Number, Data#data.contexts) of
        {done, none, Contexts} ->
            Data#data{contexts = Contexts};
        {done, From, Contexts} ->
            gen_statem:reply(From, {ok, Link, Number}),
            Data#data{contexts = Contexts};
        {Step, Contexts} ->
            Ref = pyport_link:step(Link, Step, Timeout),
            Data#data{contexts = Contexts, opening = Opening#{Ref => Number}};
        error ->
            Data
    end.

-spec opened({pyport_slots:context(), map()}, {ok, term()} | {error, term()},
             state(), #data{}) -> result().
opened({Number, Opening}, {ok, _}, State, Data) ->
    progress(State, advance(Number, Data#data{opening = Opening}));
opened({Number, Opening}, {error, Reason}, State, Data0) ->
    Data = fail(Number, Reason, Data0#data{opening = Opening}),
    ok = pyport_link:close(Data#data.link, Number),
    progress(State, Data).

-spec progress(state(), #data{}) -> result().
progress(preparing, Data) -> prepared(Data);
progress(_, Data) -> {keep_state, Data}.

%% Requests flow when every context is as it was before the restart.
-spec prepared(#data{}) -> result().
prepared(#data{opening = Opening} = Data) when map_size(Opening) > 0 ->
    {next_state, preparing, Data};
prepared(#data{link = Link, waiting = Waiting, death = Death} = Data) ->
    ok = pyport_link:command(Link, release),
    _ = [gen_statem:reply(From, ok) || From <- Waiting],
    _ = [Owner ! {pyport_host, self(), up}
         || Death =/= none, Owner <- pyport_slots:owners(Data#data.contexts)],
    Backoff = pyport_backoff:up(now_ms(), Data#data.backoff),
    {next_state, up, Data#data{waiting = [], backoff = Backoff}}.

%% A context that cannot be opened: its first opener is told, or its owner.
-spec fail(pyport_slots:context(), term(), #data{}) -> #data{}.
fail(Number, Reason, #data{contexts = Contexts0, os_pid = OsPid} = Data) ->
    case pyport_slots:fail(Number, Contexts0) of
        {none, Owner, Monitor, Contexts} ->
            ok = unmonitor(Monitor),
            Why = {setup_failed, Reason},
            Death = pyport_death:make(Why, none, <<>>, OsPid),
            ?LOG_ERROR(Death#{what => pyport_setup_failed, context => Number}),
            Owner ! {pyport_host, self(), {closed, Death}},
            Data#data{contexts = Contexts};
        {From, _, Monitor, Contexts} ->
            ok = unmonitor(Monitor),
            gen_statem:reply(From, {error, Reason}),
            Data#data{contexts = Contexts};
        error ->
            Data
    end.

-spec monitored_down(reference(), #data{}) -> result().
monitored_down(Starter, #data{starter = Starter}) ->
    {stop, {shutdown, context_destroyed}};
monitored_down(Monitor, #data{contexts = Contexts} = Data) ->
    case pyport_slots:number_of(Monitor, Contexts) of
        {ok, Number} -> close(Number, Data);
        error -> keep_state_and_data
    end.

%% A host of its own ends with its context.
-spec close(pyport_slots:context(), #data{}) -> result().
close(Number, #data{contexts = Contexts0, options = #{kind := Kind}} = Data) ->
    case pyport_slots:remove(Number, Contexts0) of
        error ->
            keep_state_and_data;
        {_, _} when Kind =:= isolated ->
            {stop, {shutdown, context_destroyed}};
        {Monitor, Contexts} ->
            ok = unmonitor(Monitor),
            ok = pyport_link:close(Data#data.link, Number),
            {keep_state, Data#data{contexts = Contexts}}
    end.

-spec info(state(), #data{}) -> map().
info(State, #data{options = #{kind := Kind}} = Data) ->
    Hello = case Data#data.hello of none -> #{}; Map -> Map end,
    (maps:with([version, python, python_version], Hello))#{
      state => State, kind => Kind, os_pid => Data#data.os_pid,
      contexts => pyport_slots:count(Data#data.contexts),
      restarts => Data#data.restarts,
      uptime_ms => now_ms() - Data#data.started_ms,
      last_death => Data#data.death}.
