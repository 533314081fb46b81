%% @private
%% @doc When a program that dies is started again. Pure.
%%
%% At once, until it died young several times in a row; from then on after a
%% pause that doubles each time, for as long as it takes.
-module(pyport_backoff).

-export([new/0, died/2]).

-export_type([backoff/0]).

-define(SHORT_LIFE_MS, 1000).
-define(SHORT_LIVES_MAX, 3).
-define(PAUSE_MIN_MS, 100).
-define(PAUSE_MAX_MS, 10000).
-define(DOUBLINGS_MAX, 16).

-type backoff() :: ShortLives :: non_neg_integer().

-spec new() -> 0.
new() -> 0.

%% @doc What to do after a life of so many milliseconds.
-spec died(integer(), backoff()) ->
          {again | {pause, pos_integer()}, backoff()}.
died(LifeMs, _) when LifeMs >= ?SHORT_LIFE_MS ->
    {again, 0};
died(_, ShortLives) when ShortLives + 1 < ?SHORT_LIVES_MAX ->
    {again, ShortLives + 1};
died(_, ShortLives) ->
    Doublings = min(ShortLives + 1 - ?SHORT_LIVES_MAX, ?DOUBLINGS_MAX),
    {{pause, min(?PAUSE_MAX_MS, ?PAUSE_MIN_MS bsl Doublings)}, ShortLives + 1}.
