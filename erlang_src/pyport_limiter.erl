%% @private
%% @doc A token bucket for lines of output. Pure: the caller brings the time.
-module(pyport_limiter).

-export([new/2, take/3, dropped/1, report/2]).

-export_type([limiter/0]).

-record(limiter, {
    per_s :: pos_integer(),
    burst :: pos_integer(),
    %% in thousandths of a line, so that milliseconds divide nothing
    tokens :: non_neg_integer(),
    at_ms :: integer(),
    dropped = 0 :: non_neg_integer()
}).
-opaque limiter() :: #limiter{}.

-define(MILLI, 1000).

%% @doc A full bucket; its burst is twice the rate.
-spec new(pos_integer(), integer()) -> limiter().
new(PerSecond, NowMs) ->
    Burst = 2 * PerSecond,
    #limiter{per_s = PerSecond, burst = Burst, tokens = Burst * ?MILLI,
             at_ms = NowMs}.

%% @doc How many of `Count' lines may pass now, and how many were dropped
%% before them and not reported yet.
-spec take(non_neg_integer(), integer(), limiter()) ->
          {Passed :: non_neg_integer(), Reported :: non_neg_integer(),
           limiter()}.
take(Count, NowMs, #limiter{dropped = Before} = Limiter0) ->
    #limiter{tokens = Tokens} = Limiter = refill(NowMs, Limiter0),
    Passed = min(Count, Tokens div ?MILLI),
    Left = Limiter#limiter{tokens = Tokens - Passed * ?MILLI},
    case Passed of
        0 -> {0, 0, Left#limiter{dropped = Before + Count}};
        _ -> {Passed, Before, Left#limiter{dropped = Count - Passed}}
    end.

%% @doc What is dropped and not reported yet.
-spec dropped(limiter()) -> non_neg_integer().
dropped(#limiter{dropped = Dropped}) -> Dropped.

%% @doc What was dropped, if a line that says so may pass now.
-spec report(integer(), limiter()) -> {non_neg_integer(), limiter()}.
report(NowMs, Limiter0) ->
    case refill(NowMs, Limiter0) of
        #limiter{tokens = Tokens, dropped = Dropped} = Limiter
          when Tokens >= ?MILLI ->
            {Dropped, Limiter#limiter{tokens = Tokens - ?MILLI, dropped = 0}};
        Limiter ->
            {0, Limiter}
    end.

-spec refill(integer(), limiter()) -> limiter().
refill(NowMs, #limiter{per_s = PerSecond, burst = Burst, tokens = Tokens,
                       at_ms = AtMs} = Limiter) ->
    Gained = max(0, NowMs - AtMs) * PerSecond,
    Limiter#limiter{tokens = min(Burst * ?MILLI, Tokens + Gained),
                    at_ms = NowMs}.
