%% @private
%% @doc When a program that dies is started again. Pure.
%%
%% At once, until it died young several times in a row; from then on after a
%% pause that doubles each time, for as long as it takes. Its life begins
%% when it takes requests: callers that are held while it starts, however
%% long that takes, are not held for ever.
-module(pyport_backoff).

-export([new/0, up/2, died/2]).

-export_type([backoff/0]).

-define(SHORT_LIFE_MS, 1000).
-define(SHORT_LIVES_MAX, 3).
-define(PAUSE_MIN_MS, 100).
-define(PAUSE_MAX_MS, 10000).
-define(DOUBLINGS_MAX, 16).

-record(backoff, {
    short_lives = 0 :: non_neg_integer(),
    up_ms = none :: none | integer()
}).
-opaque backoff() :: #backoff{}.

-spec new() -> backoff().
new() -> #backoff{}.

%% @doc The program takes requests.
-spec up(integer(), backoff()) -> backoff().
up(NowMs, Backoff) -> Backoff#backoff{up_ms = NowMs}.

%% @doc What to do now that it died.
-spec died(integer(), backoff()) ->
          {again | {pause, pos_integer()}, backoff()}.
died(NowMs, #backoff{up_ms = UpMs})
  when is_integer(UpMs), NowMs - UpMs >= ?SHORT_LIFE_MS ->
    {again, #backoff{}};
died(_, #backoff{short_lives = ShortLives}) ->
    Backoff = #backoff{short_lives = ShortLives + 1},
    {then(ShortLives + 1), Backoff}.

-spec then(pos_integer()) -> again | {pause, pos_integer()}.
then(ShortLives) when ShortLives < ?SHORT_LIVES_MAX ->
    again;
then(ShortLives) ->
    Doublings = min(ShortLives - ?SHORT_LIVES_MAX, ?DOUBLINGS_MAX),
    {pause, min(?PAUSE_MAX_MS, ?PAUSE_MIN_MS bsl Doublings)}.
