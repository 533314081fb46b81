%% @private
%% @doc The contexts of one host: their numbers, their owners and what is
%% left to do until each is open. Pure: the host sends and monitors.
-module(pyport_slots).

-export([new/1, add/3, remove/2, number_of/2, reset/1, step/2, fail/2]).
-export([count/1, owners/1, unfinished/1]).

-export_type([slots/0, context/0, options/0, step/0]).

-type context() :: non_neg_integer().
-type options() :: #{owner := pid(), setup => [binary()],
                     kill_after => timeout()}.
-type step() :: {context_open, context(), map()}
              | {exec, context(), Code :: binary()}.

-record(slot, {
    owner :: pid(),
    monitor :: reference(),
    %% who waits for the first opening
    from :: none | gen_statem:from(),
    steps :: [step()],
    todo :: [step()]
}).
-record(slots, {
    kind :: shared | isolated,
    next :: context(),
    slots = #{} :: #{context() => #slot{}}
}).
-opaque slots() :: #slots{}.

%% @doc A host of its own has the one context 0, which always exists; in a
%% shared host each gets a new number.
-spec new(shared | isolated) -> slots().
new(isolated) -> #slots{kind = isolated, next = 0};
new(shared) -> #slots{kind = shared, next = 1}.

%% @doc Enters a context that is to be opened.
-spec add(options(), {gen_statem:from(), reference()}, slots()) ->
          {ok, context(), slots()} | {error, in_use}.
add(_, _, #slots{kind = isolated, next = 1}) ->
    {error, in_use};
add(#{owner := Owner} = Options, {From, Monitor},
    #slots{kind = Kind, next = Number, slots = Slots} = All) ->
    Open = [{context_open, Number, maps:with([kill_after], Options)}
            || Kind =:= shared],
    Setup = [{exec, Number, Code} || Code <- maps:get(setup, Options, [])],
    Slot = #slot{owner = Owner, monitor = Monitor, from = From,
                 steps = Open ++ Setup, todo = Open ++ Setup},
    {ok, Number, All#slots{next = Number + 1,
                           slots = Slots#{Number => Slot}}}.

%% @doc Forgets a context; the monitor of its owner is to be ended.
-spec remove(context(), slots()) -> {reference(), slots()} | error.
remove(Number, #slots{slots = Slots} = All) ->
    case maps:take(Number, Slots) of
        {#slot{monitor = Monitor}, Left} ->
            {Monitor, All#slots{slots = Left}};
        error ->
            error
    end.

-spec number_of(reference(), slots()) -> {ok, context()} | error.
number_of(Monitor, #slots{slots = Slots}) ->
    case [Number || {Number, #slot{monitor = Known}} <- maps:to_list(Slots),
                    Known =:= Monitor] of
        [Number] -> {ok, Number};
        [] -> error
    end.

%% @doc After a restart of the program everything is to be done again.
-spec reset(slots()) -> {[context()], slots()}.
reset(#slots{slots = Slots} = All) ->
    Again = maps:map(fun(_, Slot) -> Slot#slot{todo = Slot#slot.steps} end,
                     Slots),
    {lists:sort(maps:keys(Again)), All#slots{slots = Again}}.

%% @doc The next thing to do for a context. `done' comes with whoever waits
%% for its first opening.
-spec step(context(), slots()) ->
          {step(), slots()} | {done, none | gen_statem:from(), slots()} | error.
step(Number, #slots{slots = Slots} = All) ->
    case Slots of
        #{Number := #slot{todo = [Step | Steps]} = Slot} ->
            Left = Slot#slot{todo = Steps},
            {Step, All#slots{slots = Slots#{Number := Left}}};
        #{Number := #slot{from = From} = Slot} ->
            Open = Slot#slot{from = none},
            {done, From, All#slots{slots = Slots#{Number := Open}}};
        #{} ->
            error
    end.

%% @doc Forgets a context that could not be opened.
-spec fail(context(), slots()) ->
          {none | gen_statem:from(), Owner :: pid(), reference(), slots()}
              | error.
fail(Number, #slots{slots = Slots} = All) ->
    case maps:take(Number, Slots) of
        {#slot{from = From, owner = Owner, monitor = Monitor}, Left} ->
            {From, Owner, Monitor, All#slots{slots = Left}};
        error ->
            error
    end.

-spec count(slots()) -> non_neg_integer().
count(#slots{slots = Slots}) -> map_size(Slots).

%% @doc The owners of the contexts that were open.
-spec owners(slots()) -> [pid()].
owners(#slots{slots = Slots}) ->
    lists:usort([Owner || #slot{owner = Owner, from = none}
                              <- maps:values(Slots)]).

%% @doc The contexts whose first opening somebody waits for.
-spec unfinished(slots()) -> [context()].
unfinished(#slots{slots = Slots}) ->
    [Number || {Number, #slot{from = From}} <- maps:to_list(Slots),
               From =/= none].
