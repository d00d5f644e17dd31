using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>Disposal in any order, at any time, any number of times; nothing is left behind.</summary>
[Collection(NativeCollection.Name)]
public class LifetimeTests(Trained trained)
{
    private static readonly GenerateOptions Short = new() { MaxTokens = 3 };

    public static TheoryData<int[]> Orders
    {
        get
        {
            var orders = new TheoryData<int[]>();
            foreach (int[] order in Permutations([0, 1, 2, 3]))
            {
                orders.Add(order);
            }

            return orders;
        }
    }

    [Theory]
    [MemberData(nameof(Orders))]
    public async Task Objects_are_disposed_in_any_order_while_the_others_go_on(int[] order)
    {
        using var folder = new TemporaryFolder();
        trained.Adapter.Save(folder.FullName);
        long before = TailoraNative.LiveHandles;
        LanguageModel model = LanguageModel.Load(Repository.Model);
        Adapter adapter = Adapter.Load(model, folder.FullName);
        Dataset dataset = Dataset.OpenCsv(Repository.Csv);
        Session session = model.CreateSession();
        session.Attach(adapter);
        string expected = (await session.GenerateAsync(Trained.Line, Short)).Text;
        IDisposable[] objects = [model, adapter, dataset, session];
        foreach (int at in order)
        {
            objects[at].Dispose();
            objects[at].Dispose();
            if (at != 3 && order.TakeWhile(index => index != at).All(index => index != 3))
            {
                Assert.Equal(expected, (await session.GenerateAsync(Trained.Line, Short)).Text);
            }
        }

        Assert.Equal(before, TailoraNative.LiveHandles);
    }

    [Fact]
    public async Task Disposing_what_a_training_gave_leaves_nothing()
    {
        long before = TailoraNative.LiveHandles;
        using (TrainingResult result = await trained.Model.TrainAsync(trained.Dataset, new TrainingOptions { MaxSteps = 1 }))
        {
            Assert.Equal(before + 1, TailoraNative.LiveHandles);
        }

        Assert.Equal(before, TailoraNative.LiveHandles);
    }

    [Fact]
    public async Task A_disposed_object_says_which_it_is()
    {
        var model = LanguageModel.Load(Repository.Model);
        Session session = model.CreateSession();
        var dataset = Dataset.OpenCsv(Repository.Csv);
        model.Dispose();
        session.Dispose();
        dataset.Dispose();
        Assert.Equal(nameof(LanguageModel), Assert.Throws<ObjectDisposedException>(() => model.CountTokens("x")).ObjectName);
        Assert.Equal(nameof(LanguageModel), Assert.Throws<ObjectDisposedException>(() => model.Info).ObjectName);
        Assert.Equal(nameof(LanguageModel), Assert.Throws<ObjectDisposedException>(() => model.CreateSession()).ObjectName);
        Assert.Equal(nameof(Dataset), Assert.Throws<ObjectDisposedException>(() => dataset.Info).ObjectName);
        Assert.Equal(nameof(Session), (await Assert.ThrowsAsync<ObjectDisposedException>(() => session.GenerateAsync("x"))).ObjectName);
        Assert.Throws<ObjectDisposedException>(() => session.Attach(trained.Adapter));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => trained.Model.TrainAsync(dataset));
    }

    [Fact]
    public async Task Disposing_during_a_call_lets_it_end()
    {
        LanguageModel model = LanguageModel.Load(Repository.Model);
        Session session = model.CreateSession();
        Task<Generation> generation = session.GenerateAsync(Trained.Line, new GenerateOptions { MaxTokens = 40 });
        session.Dispose();
        model.Dispose();
        try
        {
            Assert.True((await generation).CompletionTokens > 0);
        }
        catch (ObjectDisposedException)
        {
            // The disposal came before the call's thread had begun.
        }
    }

    [Fact]
    public void A_hundred_loads_and_frees_leave_nothing_behind()
    {
        long before = TailoraNative.LiveHandles;
        long settled = 0;
        for (int i = 0; i < 100; i++)
        {
            using var model = LanguageModel.Load(Repository.Model);
            using Session session = model.CreateSession();
            Assert.Equal(1, model.CountTokens("a"));
            if (i == 20)
            {
                settled = Resident();
            }
        }

        Assert.Equal(before, TailoraNative.LiveHandles);
        long growth = Resident() - settled;
        Assert.True(growth < 48 << 20, $"80 loads left {growth >> 20} MiB behind");
    }

    [Fact]
    public void What_nobody_disposes_is_freed_with_its_object()
    {
        long before = TailoraNative.LiveHandles;
        Forget(trained.Model);
        for (int i = 0; i < 20 && TailoraNative.LiveHandles > before; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.Equal(before, TailoraNative.LiveHandles);
    }

    // Not inlined: a local of the test itself would keep the last session alive.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(LanguageModel model)
    {
        long before = TailoraNative.LiveHandles;
        Session[] sessions = [.. Enumerable.Range(0, 10).Select(_ => model.CreateSession())];
        Assert.True(TailoraNative.LiveHandles >= before + sessions.Length);
        GC.KeepAlive(sessions);
    }

    private static long Resident()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var self = Process.GetCurrentProcess();
        return self.WorkingSet64;
    }

    private static IEnumerable<int[]> Permutations(int[] items) => items.Length <= 1
        ? [items]
        : items.SelectMany(first => Permutations([.. items.Where(item => item != first)]).Select(rest => (int[])[first, .. rest]));
}
