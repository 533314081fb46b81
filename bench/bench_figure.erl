%% One measured figure: its name, its value, its unit, and what the project
%% asks of it. Formats figures as JSON lines and as a table.
-module(bench_figure).

-export([new/3, new/5]).
-export([json/2, print_table/2]).
-export([percentile/2, median/1, medians/3]).

-export_type([figure/0]).

-type bound() :: none | {at_most | at_least, number()}.
-type figure() :: #{
    name := string(),
    value := number(),
    unit := string(),
    bar := bound(),
    aim := bound()
}.

-spec new(string(), number(), string()) -> figure().
new(Name, Value, Unit) ->
    new(Name, Value, Unit, none, none).

-spec new(string(), number(), string(), bound(), bound()) -> figure().
new(Name, Value, Unit, Bar, Aim) ->
    #{name => Name, value => Value, unit => Unit, bar => Bar, aim => Aim}.

-spec percentile(number(), [number(), ...]) -> number().
percentile(Percent, Values) ->
    Sorted = lists:sort(Values),
    Position = ceil(length(Sorted) * Percent / 100),
    lists:nth(max(1, Position), Sorted).

-spec median([number(), ...]) -> number().
median(Values) ->
    percentile(50, Values).

%% For each name the median over the rounds of what the round has there.
-spec medians(number(), [atom()], [[{atom(), [number(), ...]}], ...]) ->
    [number()].
medians(Percent, Names, Rounds) ->
    [
        median([
            percentile(Percent, proplists:get_value(Name, Round))
         || Round <- Rounds
        ])
     || Name <- Names
    ].

-spec json(string(), figure()) -> iolist().
json(Bench, Figure) ->
    #{name := Name, value := Value, unit := Unit} = Figure,
    #{bar := Bar, aim := Aim} = Figure,
    io_lib:format(
        "{\"bench\":~p,\"name\":~p,\"value\":~ts,\"unit\":~p,"
        "\"bar\":~ts,\"aim\":~ts,\"verdict\":\"~ts\"}~n",
        [
            Bench,
            Name,
            number(Value),
            Unit,
            json_bound(Bar),
            json_bound(Aim),
            verdict(Value, Bar, Aim)
        ]
    ).

-spec json_bound(bound()) -> string().
json_bound(none) -> "null";
json_bound({_, Number}) -> number(Number).

-type cells() :: {string(), string(), string(), string(), string(), string()}.

-spec print_table([figure()], file:filename()) -> ok.
print_table(Figures, BaselineFile) ->
    Baseline = read_baseline(BaselineFile),
    Titles = {"figure", "measured", "bar", "aim", "", "baseline"},
    io:format("~n"),
    row(Titles),
    lists:foreach(fun(Figure) -> row(cells(Figure, Baseline)) end, Figures).

-spec cells(figure(), #{string() => string()}) -> cells().
cells(Figure, Baseline) ->
    #{name := Name, value := Value, unit := Unit} = Figure,
    #{bar := Bar, aim := Aim} = Figure,
    {
        Name,
        string:trim(number(Value) ++ " " ++ Unit),
        bound(Bar),
        bound(Aim),
        verdict(Value, Bar, Aim),
        maps:get(Name, Baseline, "")
    }.

-spec row(cells()) -> ok.
row({Name, Value, Bar, Aim, Verdict, Baseline}) ->
    io:format("~-54ts ~14ts ~10ts ~10ts  ~-9ts ~10ts~n", [
        Name, Value, Bar, Aim, Verdict, Baseline
    ]).

-spec bound(bound()) -> string().
bound(none) -> "";
bound({at_most, Number}) -> "<= " ++ number(Number);
bound({at_least, Number}) -> ">= " ++ number(Number).

-spec verdict(number(), bound(), bound()) -> string().
verdict(_, none, none) ->
    "";
verdict(Value, Bar, Aim) ->
    case {meets(Value, Aim), meets(Value, Bar)} of
        {true, true} -> "aim met";
        {false, true} when Bar =:= none -> "aim open";
        {false, true} -> "bar met";
        {_, false} -> "MISSED"
    end.

-spec meets(number(), bound()) -> boolean().
meets(_, none) -> true;
meets(Value, {at_most, Number}) -> Value =< Number;
meets(Value, {at_least, Number}) -> Value >= Number.

%% Three significant places: a benchmark has no more.
-spec number(number()) -> string().
number(Value) when is_integer(Value) -> integer_to_list(Value);
number(Value) when abs(Value) >= 100 -> integer_to_list(round(Value));
number(Value) when abs(Value) >= 10 -> float_to_list(Value, [{decimals, 1}]);
number(Value) -> float_to_list(Value, [{decimals, 2}]).

%% The baseline was written by json/2; nothing else need be understood.
-spec read_baseline(file:filename()) -> #{string() => string()}.
read_baseline(File) ->
    case file:read_file(File) of
        {ok, Text} ->
            Pattern = "\"name\":\"([^\"]*)\",\"value\":([0-9.-]+)",
            Options = [global, {capture, all_but_first, list}],
            case re:run(Text, Pattern, Options) of
                {match, Rows} -> maps:from_list([{N, V} || [N, V] <- Rows]);
                nomatch -> #{}
            end;
        {error, enoent} ->
            #{}
    end.
