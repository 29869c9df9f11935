"""What a history row can hold besides numbers: images, tables, sound, text.

A type a file. Each checks its arguments and takes its copy when it is made, so ``log()`` has nothing left to
complain about, and says what it is by ``to_json(files, key, step)``: a JSON object of wandb's shape, its bytes
given to ``files``. Nothing here knows runs, spools of rows or networks; numpy and Pillow are loaded when used.

    row ──► rows.split ──► numbers ───────────────────────────► the spool's rows
                      └──► rich: Value ──► to_json(files, …) ──► JSON, and files/media/… beside the spool
"""
